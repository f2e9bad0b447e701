//! What this connection has registered, or is about to, and how that stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sd_core::{Error, Owner, Record, ServiceName};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use super::holding::{Held, Standing};
use super::holding::{Holding, Table};

/// How many removals that failed are made up for. Beyond it an entry ends by itself when its TTL has passed.
const MOST_LEAVING: usize = 10_000;
/// How many doubts are kept until they are looked at; what is beyond it waits for the next heartbeat.
const MOST_DOUBTED: usize = 10_000;

/// What this connection has registered, or is about to.
///
/// An entry is noted before it is sent, so that nothing can be written that nobody knows of.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    table: Mutex<Table>,
    /// Told when there is something to do before the next heartbeat.
    pub(crate) wake: Notify,
}

impl Holdings {
    /// Notes that the record is about to be written.
    pub(crate) fn intend(&self, record: &Record) {
        let mut table = self.lock();
        let first = table.entries.is_empty();
        let ids = table.entries.entry(record.service.clone()).or_default();
        let entries = ids.entry(Arc::from(record.instance.id())).or_default();
        let taken_up_again = match entries.iter_mut().find(|holding| holding.owner == record.owner) {
            Some(holding) => {
                holding.unanswered = true;
                holding.writes += 1;
                holding.standing.send_replace(Standing::Held);
                std::mem::take(&mut holding.leaving)
            }
            None => {
                entries.push(Holding {
                    owner: record.owner.clone(),
                    revision: 0,
                    unanswered: true,
                    writes: 1,
                    expires: Instant::now(),
                    leaving: false,
                    standing: watch::Sender::new(Standing::Held),
                });
                false
            }
        };
        table.leaving -= usize::from(taken_up_again);
        drop(table);
        if first {
            self.wake.notify_one();
        }
    }

    /// Notes that a write was answered. Whoever of this connection wrote the entry earlier is superseded.
    pub(crate) fn written(&self, record: &Record, revision: u64, expires: Instant) {
        let mut table = self.lock();
        let Some(entries) = table.under(&record.service, record.instance.id()) else { return };
        let Some(holding) = entries.iter_mut().find(|holding| holding.owner == record.owner) else { return };
        holding.revision = holding.revision.max(revision);
        holding.unanswered = false;
        holding.writes += 1;
        holding.expires = holding.expires.max(expires);
        let newest = entries.iter().map(|holding| holding.revision).max();
        for holding in entries.iter().filter(|holding| holding.revision != 0 && Some(holding.revision) < newest) {
            holding.standing.send_replace(Standing::Superseded);
        }
    }

    /// How the entry stands; `None` when it is not in here.
    pub(crate) fn standing(&self, record: &Record) -> Option<watch::Receiver<Standing>> {
        let mut table = self.lock();
        let holding = table.of(record)?;
        Some(holding.standing.subscribe())
    }

    /// Notes that an entry is to be taken back; `false` when there is nothing to do at the centre: it is not in here, or
    /// another's.
    pub(crate) fn leave(&self, record: &Record) -> bool {
        let mut table = self.lock();
        let full = table.leaving >= MOST_LEAVING;
        let Some(holding) = table.of(record) else { return false };
        let superseded = matches!(*holding.standing.borrow(), Standing::Superseded);
        let begins = !std::mem::replace(&mut holding.leaving, true);
        table.leaving += usize::from(begins);
        if superseded || (full && begins) {
            table.forget(&record.service, record.instance.id(), &record.owner);
        }
        !superseded
    }

    /// Forgets an entry that was taken back; one that is being written again is kept.
    pub(crate) fn left(&self, service: &ServiceName, id: &str, owner: &Owner) {
        let mut table = self.lock();
        if table.find(service, id, owner).is_some_and(|holding| holding.leaving) {
            table.forget(service, id, owner);
        }
    }

    /// Forgets an entry that is another's.
    pub(crate) fn lost(&self, record: &Record) {
        self.lock().forget(&record.service, record.instance.id(), &record.owner);
    }

    /// Forgets an entry that was refused, unless an earlier write of it was not.
    pub(crate) fn refused(&self, record: &Record) {
        let mut table = self.lock();
        if table.of(record).is_some_and(|holding| holding.revision == 0) {
            table.forget(&record.service, record.instance.id(), &record.owner);
        }
    }

    /// The entries that a heartbeat must renew, those first whose time is up first.
    pub(crate) fn to_renew(&self) -> Vec<Held> {
        let mut table = self.lock();
        table.doubted.clear();
        let mut held = Vec::new();
        for (service, ids) in &table.entries {
            for (id, entries) in ids {
                held.extend(
                    entries.iter().filter(|holding| holding.is_held()).map(|holding| holding.named(service, id)),
                );
            }
        }
        drop(table);
        held.sort_unstable_by_key(|held| held.expires);
        held
    }

    /// The entries that a watch has raised doubts about.
    pub(crate) fn to_verify(&self) -> Vec<Held> {
        std::mem::take(&mut self.lock().doubted)
    }

    /// The entries that are being taken back.
    pub(crate) fn to_remove(&self) -> Vec<Held> {
        let table = self.lock();
        if table.leaving == 0 {
            return Vec::new();
        }
        let mut leaving = Vec::with_capacity(table.leaving);
        for (service, ids) in &table.entries {
            for (id, entries) in ids {
                let of_id = entries.iter().filter(|holding| holding.leaving);
                leaving.extend(of_id.map(|holding| holding.named(service, id)));
            }
        }
        leaving
    }

    /// Whether there is nothing to keep alive and nothing to take back.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Notes that entries were renewed: they stand until `expires` for certain.
    pub(crate) fn renewed(&self, held: &Held, expires: Instant) {
        let mut table = self.lock();
        if let Some(holding) = table.find(&held.service, &held.id, &held.owner)
            && holding.writes == held.writes
        {
            holding.expires = holding.expires.max(expires);
        }
    }

    /// Says how an entry stands, unless it was written again since it was asked about.
    pub(crate) fn judge(&self, held: &Held, standing: Standing) {
        let mut table = self.lock();
        if let Some(holding) = table.find(&held.service, &held.id, &held.owner)
            && holding.writes == held.writes
            && holding.is_held()
        {
            holding.standing.send_replace(standing);
        }
    }

    /// Gives up what nobody has renewed for its TTL, because of `error`.
    pub(crate) fn lapse(&self, error: &Error) {
        let now = Instant::now();
        let table = self.lock();
        let all = table.entries.values().flat_map(HashMap::values).flatten();
        for holding in all.filter(|holding| holding.is_held() && holding.expires <= now) {
            holding.standing.send_replace(Standing::Gone(error.clone()));
        }
    }

    /// Takes note of what a watch has seen under an id: an entry of `owner`, or none. When that is newer than what this
    /// connection has there, the next heartbeat is not waited for.
    pub(crate) fn seen(&self, service: &ServiceName, id: &str, owner: Option<&Owner>, revision: u64) {
        let mut table = self.lock();
        let Some((id, entries)) = table.entries.get(service).and_then(|ids| ids.get_key_value(id)) else { return };
        let doubtful =
            |holding: &&Holding| holding.is_held() && holding.revision < revision && Some(&holding.owner) != owner;
        let doubted: Vec<_> = entries.iter().filter(doubtful).map(|holding| holding.named(service, id)).collect();
        if !doubted.is_empty() && table.doubted.len() < MOST_DOUBTED {
            table.doubted.extend(doubted);
            drop(table);
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "holdings_tests.rs"]
mod tests;
