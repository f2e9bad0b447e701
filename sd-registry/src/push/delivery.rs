//! What one receiver has been told, and what it is to be told next.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sd_core::ServiceName;

use crate::push::patch::{Patch, Provider};

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// There was an answer, whichever.
    Delivered,
    /// Nothing was sent.
    NotSent(String),
    /// It may have arrived.
    Unknown(String),
}

/// What one receiver has, and what it should have.
///
/// State, not a queue: a receiver that takes nothing for an hour is told the difference then, and costs no more than
/// the providers there are. What has come and gone meanwhile it never hears of.
///
/// Article 001's receivers append what is added without looking, and of two that are the same remove one. So nothing
/// is added that a receiver has or may have: that is removed first, in a patch of its own, as they apply `Added` before
/// `Removed`.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// By instance, since several may share a URL.
    urls: HashMap<(ServiceName, Arc<str>), Provider>,
    /// What should be there, and how many instances say so.
    wanted: HashMap<Provider, usize>,
    has: BTreeSet<Provider>,
    /// What the receiver may have, or not.
    unsure: BTreeSet<Provider>,
    /// What must be looked at, because it has changed on either side.
    dirty: BTreeSet<Provider>,
}

impl Delivery {
    /// For a receiver that has what another delivery to it has left behind.
    pub(crate) fn knowing(has: BTreeSet<Provider>, unsure: BTreeSet<Provider>) -> Self {
        let dirty = has.iter().cloned().collect();
        Self { has, unsure, dirty, ..Self::default() }
    }

    /// For a receiver that has registered anew: it may be the same process, or another that knows nothing.
    pub(crate) fn starting_over(before: &Self) -> Self {
        Self { unsure: before.has.union(&before.unsure).cloned().collect(), ..Self::default() }
    }

    /// An instance is at a URL, or (`None`) is not to be called.
    pub(crate) fn set(&mut self, service: &ServiceName, id: &Arc<str>, url: Option<String>) {
        let key = (service.clone(), Arc::clone(id));
        let now = url.map(|url| Provider { name: service.to_string(), url });
        let before = match &now {
            Some(provider) => self.urls.insert(key, provider.clone()),
            None => self.urls.remove(&key),
        };
        if before == now {
            return;
        }
        if let Some(provider) = now {
            *self.wanted.entry(provider.clone()).or_default() += 1;
            self.dirty.insert(provider);
        }
        if let Some(provider) = before {
            if let Some(count) = self.wanted.get_mut(&provider) {
                *count -= 1;
                if *count == 0 {
                    self.wanted.remove(&provider);
                }
            }
            self.dirty.insert(provider);
        }
    }

    /// Forgets the instances of a service that `keep` does not hold.
    pub(crate) fn retain(&mut self, service: &ServiceName, keep: impl Fn(&str) -> bool) {
        let gone = self.urls.keys().filter(|(name, id)| name == service && !keep(id));
        for (name, id) in gone.cloned().collect::<Vec<_>>() {
            self.set(&name, &id, None);
        }
    }

    /// What the receiver may have and has to lose before it is told the rest.
    pub(crate) fn doubts(&self) -> Option<Patch> {
        let removed: Vec<_> = self.unsure.iter().cloned().collect();
        (!removed.is_empty()).then(|| Patch { removed, ..Patch::default() })
    }

    /// The whole present set, for a receiver that has nothing; also when it is empty.
    pub(crate) fn first(&mut self) -> Patch {
        self.dirty.clear();
        let added: BTreeSet<_> = self.wanted.keys().filter(|wanted| !self.has.contains(*wanted)).cloned().collect();
        Patch { added: added.into_iter().collect(), removed: Vec::new(), is_first: true }
    }

    /// The next patch, if the receiver does not have what it should.
    pub(crate) fn next(&mut self) -> Option<Patch> {
        if let Some(doubts) = self.doubts() {
            return Some(doubts);
        }
        let mut patch = Patch::default();
        for provider in std::mem::take(&mut self.dirty) {
            match (self.wanted.contains_key(&provider), self.has.contains(&provider)) {
                (true, false) => patch.added.push(provider),
                (false, true) => patch.removed.push(provider),
                _ => {}
            }
        }
        (patch != Patch::default()).then_some(patch)
    }

    /// Whether there is something to push.
    pub(crate) fn is_behind(&self) -> bool {
        !self.unsure.is_empty() || !self.dirty.is_empty()
    }

    /// Notes that a patch is about to be sent: until its outcome is known, the receiver may or may not have taken it.
    pub(crate) fn sending(&self, patch: &Patch) -> (BTreeSet<Provider>, BTreeSet<Provider>) {
        let touched: BTreeSet<_> = patch.added.iter().chain(&patch.removed).cloned().collect();
        let has = self.has.difference(&touched).cloned().collect();
        let unsure = self.unsure.union(&touched).cloned().collect();
        (has, unsure)
    }

    /// Takes in what became of a patch.
    pub(crate) fn settle(&mut self, patch: &Patch, pushed: &Pushed) {
        let touched = || patch.added.iter().chain(&patch.removed).cloned();
        self.dirty.extend(touched());
        match pushed {
            Pushed::NotSent(_) => {}
            Pushed::Unknown(_) => (self.has, self.unsure) = self.sending(patch),
            Pushed::Delivered => {
                for provider in &patch.removed {
                    self.has.remove(provider);
                    self.unsure.remove(provider);
                }
                self.has.extend(patch.added.iter().cloned());
            }
        }
    }

    /// It is no longer sure that the receiver has these, or lacks them.
    pub(crate) fn doubt(&mut self, providers: BTreeSet<Provider>) {
        self.has.retain(|provider| !providers.contains(provider));
        self.unsure.extend(providers);
    }

    /// What the receiver has, and what it may have.
    pub(crate) fn known(&self) -> (BTreeSet<Provider>, BTreeSet<Provider>) {
        (self.has.clone(), self.unsure.clone())
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
