//! What this connection has registered with the agent, or is about to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_core::{Error, Owner};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::definition::Definition;

/// What this connection has registered with the agent, or is about to, by Consul's ids.
///
/// An entry is noted before it is sent, so that nothing can be registered that nobody knows of: what could not be taken
/// back stays in here until it could.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    table: Mutex<HashMap<Arc<str>, Vec<Holding>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Holding {
    owner: Owner,
    /// How often it was written; 0 before the first answer.
    writes: u64,
    /// What was written last, and with which token.
    written: Option<(Definition, u64)>,
    /// When a request was sent whose answer said that it stands.
    confirmed: Instant,
    /// When its last heartbeat was sent that was answered, one way or the other.
    beaten: Instant,
    /// A registration was sent and not answered: it may land at any time.
    in_doubt: bool,
    /// It is to be taken back; whoever meets it finishes that.
    leaving: bool,
    /// What was in the way of the last heartbeat.
    trouble: Option<Error>,
    standing: watch::Sender<Standing>,
}

/// How an entry of ours stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    Held,
    Superseded,
    Gone(Error),
}

/// An entry as a heartbeat finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    writes: u64,
}

impl Holdings {
    /// Notes that `owner` is about to register under `id`; says whether it did so before.
    pub(crate) fn intend(&self, id: &str, owner: &Owner) -> bool {
        let mut table = self.lock();
        let holdings = table.entry(id.into()).or_default();
        if let Some(holding) = holdings.iter_mut().find(|holding| holding.owner == *owner) {
            (holding.leaving, holding.in_doubt) = (false, true);
            return true;
        }
        holdings.push(Holding {
            owner: owner.clone(),
            writes: 0,
            written: None,
            confirmed: Instant::now(),
            beaten: Instant::now(),
            in_doubt: true,
            leaving: false,
            trouble: None,
            standing: watch::Sender::new(Standing::Held),
        });
        false
    }

    /// Notes that a registration or an update, sent at `sent` with that token, was answered.
    pub(crate) fn written(&self, id: &str, owner: &Owner, sent: Instant, definition: &Definition, token: u64) {
        self.with(id, owner, |holding| {
            holding.writes += 1;
            holding.written = Some((definition.clone(), token));
            (holding.confirmed, holding.beaten) = (sent, sent);
            (holding.in_doubt, holding.trouble) = (false, None);
            holding.standing.send_replace(Standing::Held);
        });
        self.changed.notify_waiters();
    }

    /// How the entry stands; `None` when it is not in here.
    pub(crate) fn standing(&self, id: &str, owner: &Owner) -> Option<watch::Receiver<Standing>> {
        self.lock().get(id)?.iter().find(|holding| holding.owner == *owner).map(|holding| holding.standing.subscribe())
    }

    /// The entries that are to be kept.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.filtered(Holding::is_held)
    }

    /// The entries to be kept whose last heartbeat is `interval` ago, the oldest first, at most `most`; and when the next
    /// one is due.
    pub(crate) fn due(&self, interval: Duration, most: usize) -> (Vec<Held>, Option<Instant>) {
        let mut held = Vec::new();
        for (id, holdings) in self.lock().iter() {
            held.extend(
                holdings
                    .iter()
                    .filter(|holding| holding.is_held())
                    .map(|holding| (holding.beaten, holding.as_held(id))),
            );
        }
        held.sort_unstable_by_key(|(beaten, _)| *beaten);
        let due = held.iter().take_while(|(beaten, _)| beaten.elapsed() >= interval).count();
        let next = held.get(due.min(most)).map(|(beaten, _)| *beaten + interval);
        held.truncate(due.min(most));
        (held.into_iter().map(|(_, held)| held).collect(), next)
    }

    /// Makes every entry due: something has happened to the agent.
    pub(crate) fn doubt_all(&self, interval: Duration) {
        let mut table = self.lock();
        for holding in table.values_mut().flatten() {
            holding.beaten = holding.beaten.checked_sub(interval).unwrap_or(holding.beaten);
        }
    }

    /// The entries that are still to be taken back.
    pub(crate) fn leaving(&self) -> Vec<Held> {
        self.filtered(|holding| holding.leaving)
    }

    /// Notes that an entry that had been given up was found as it had been written, asked at `sent`.
    pub(crate) fn found(&self, id: &str, owner: &Owner, sent: Instant) {
        self.with(id, owner, |holding| {
            holding.writes += 1;
            (holding.confirmed, holding.beaten) = (sent, sent);
            (holding.in_doubt, holding.trouble) = (false, None);
            holding.standing.send_replace(Standing::Held);
        });
        self.changed.notify_waiters();
    }

    /// Whether this is what was written last, with that token.
    pub(crate) fn was_written(&self, id: &str, owner: &Owner, definition: &Definition, token: u64) -> bool {
        let table = self.lock();
        let holding = table.get(id).into_iter().flatten().find(|holding| holding.owner == *owner);
        holding
            .and_then(|holding| holding.written.as_ref())
            .is_some_and(|(was, with)| was == definition && *with == token)
    }

    /// Notes that the agent has confirmed the entry, asked at `sent`.
    pub(crate) fn confirm(&self, held: &Held, sent: Instant) {
        self.with(&held.id, &held.owner, |holding| {
            (holding.confirmed, holding.beaten) = (holding.confirmed.max(sent), holding.beaten.max(sent));
            holding.trouble = None;
        });
    }

    /// Notes what was in the way of a heartbeat, and whether it was an answer; else another one is due at once.
    pub(crate) fn trouble(&self, held: &Held, error: Error, answered: bool) {
        self.with(&held.id, &held.owner, |holding| {
            holding.trouble = Some(error);
            if answered {
                holding.beaten = Instant::now();
            }
        });
    }

    /// Says how an entry stands, unless it was written again since it looked like `held`.
    pub(crate) fn judge(&self, held: &Held, standing: Standing) {
        self.with(&held.id, &held.owner, |holding| {
            if holding.writes == held.writes {
                holding.standing.send_replace(standing);
            }
        });
    }

    /// Whether the entry was written with another token than that one.
    pub(crate) fn has_other_token(&self, id: &str, owner: &Owner, token: u64) -> bool {
        let table = self.lock();
        let holding = table.get(id).into_iter().flatten().find(|holding| holding.owner == *owner);
        holding.is_some_and(|holding| holding.has_other_token(token))
    }

    /// Gives up what was written with another token than that one.
    pub(crate) fn exchange(&self, token: u64, why: impl Fn() -> Error) {
        for holding in self.lock().values().flatten() {
            if holding.is_held() && holding.has_other_token(token) {
                holding.standing.send_replace(Standing::Gone(why()));
            }
        }
    }

    /// Gives up what the agent has not confirmed for a TTL.
    pub(crate) fn expire(&self, ttl: Duration, unknown: impl Fn() -> Error) {
        for holding in self.lock().values().flatten() {
            if holding.is_held() && holding.confirmed.elapsed() >= ttl {
                let why = holding.trouble.clone().unwrap_or_else(&unknown);
                holding.standing.send_replace(Standing::Gone(why));
            }
        }
    }

    /// Notes that an entry is to be taken back; says whether there is anything to take back.
    pub(crate) fn leave(&self, id: &str, owner: &Owner) -> bool {
        let mut table = self.lock();
        let holding = table.get_mut(id).into_iter().flatten().find(|holding| holding.owner == *owner);
        let Some(holding) = holding else { return false };
        if matches!(*holding.standing.borrow(), Standing::Superseded) {
            drop_from(&mut table, id, owner);
            return false;
        }
        holding.leaving = true;
        true
    }

    /// Notes that an entry that was to be taken back does not stand. One whose registration was never answered is looked
    /// for once more, at the next heartbeat.
    pub(crate) fn left(&self, id: &str, owner: &Owner) {
        let mut table = self.lock();
        let holding = table.get_mut(id).into_iter().flatten().find(|holding| holding.owner == *owner);
        match holding {
            Some(holding) if holding.leaving && holding.in_doubt => holding.in_doubt = false,
            Some(holding) if holding.leaving => drop_from(&mut table, id, owner),
            _ => {}
        }
    }

    /// Forgets an entry, whatever it is.
    pub(crate) fn drop_entry(&self, id: &str, owner: &Owner) {
        drop_from(&mut self.lock(), id, owner);
    }

    /// Forgets an entry that the agent has refused before it had ever taken it.
    pub(crate) fn drop_unwritten(&self, id: &str, owner: &Owner) {
        let mut table = self.lock();
        if table.get(id).into_iter().flatten().any(|holding| holding.owner == *owner && holding.writes == 0) {
            drop_from(&mut table, id, owner);
        }
    }

    /// Waits until there is an entry to be kept or taken back. Cancel safe.
    pub(crate) async fn until_any(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if !self.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until one entry is held, and returns the one that has been so the longest. Cancel safe.
    pub(crate) async fn until_held(&self) -> Held {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(held) = self.held().into_iter().min_by(|a, b| a.id.cmp(&b.id)) {
                return held;
            }
            changed.await;
        }
    }

    fn filtered(&self, wanted: impl Fn(&Holding) -> bool) -> Vec<Held> {
        let table = self.lock();
        let of_id = |(id, holdings): (&Arc<str>, &Vec<Holding>)| {
            holdings.iter().filter(|holding| wanted(holding)).map(|holding| holding.as_held(id)).collect::<Vec<_>>()
        };
        table.iter().flat_map(of_id).collect()
    }

    fn with(&self, id: &str, owner: &Owner, change: impl FnOnce(&mut Holding)) {
        let mut table = self.lock();
        if let Some(holding) = table.get_mut(id).into_iter().flatten().find(|holding| holding.owner == *owner) {
            change(holding);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Holding>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    fn is_held(&self) -> bool {
        self.writes > 0 && !self.leaving && matches!(*self.standing.borrow(), Standing::Held)
    }

    fn has_other_token(&self, token: u64) -> bool {
        self.written.as_ref().is_some_and(|(_, with)| *with != token)
    }

    fn as_held(&self, id: &Arc<str>) -> Held {
        Held { id: Arc::clone(id), owner: self.owner.clone(), writes: self.writes }
    }
}

fn drop_from(table: &mut HashMap<Arc<str>, Vec<Holding>>, id: &str, owner: &Owner) {
    let Some(holdings) = table.get_mut(id) else { return };
    holdings.retain(|holding| holding.owner != *owner);
    if holdings.is_empty() {
        table.remove(id);
    }
}

#[cfg(test)]
#[path = "holdings_tests.rs"]
mod tests;
