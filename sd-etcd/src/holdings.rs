//! What this connection has put into the registry, or is about to: who holds which key under which lease.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sd_core::defaults::DEREGISTER_TIMEOUT;
use sd_core::{Error, Owner};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::lease::Lease;

/// What this connection has put into the registry, or is about to.
///
/// An entry is noted before its key is written, so that nothing can be written that nobody knows of: what hangs on one
/// of our leases and is not in here is a remnant, and is taken away at the next heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Holdings(Mutex<HashMap<Vec<u8>, Vec<Holding>>>);

#[derive(Debug)]
struct Holding {
    owner: Owner,
    lease: Arc<Lease>,
    /// The revision of our last write that was answered; 0 before the first.
    revision: i64,
    /// Since when it is being taken back; whoever meets it finishes that.
    leaving: Option<Instant>,
    standing: watch::Sender<Standing>,
}

/// How an entry of ours stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    Held,
    Superseded,
    Gone(Error),
}

/// An entry as a heartbeat or a removal finds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: Vec<u8>,
    pub(crate) owner: Owner,
    pub(crate) lease: Arc<Lease>,
    pub(crate) revision: i64,
}

impl Holdings {
    /// Notes that `owner` is about to write the key under `lease`; refuses when that one is lost, closed or full.
    pub(crate) fn intend(&self, key: &[u8], owner: &Owner, lease: &Arc<Lease>) -> bool {
        let mut table = self.lock();
        let holdings = table.entry(key.to_vec()).or_default();
        let present = holdings.iter_mut().find(|holding| holding.owner == *owner);
        if let Some(holding) = present {
            if !Arc::ptr_eq(&holding.lease, lease) {
                if !lease.take_place() {
                    return false;
                }
                holding.lease.give_place();
                holding.lease = Arc::clone(lease);
            } else if lease.lost().is_some() {
                return false;
            }
            holding.leaving = None;
            holding.standing.send_replace(Standing::Held);
            return true;
        }
        if !lease.take_place() {
            if holdings.is_empty() {
                table.remove(key);
            }
            return false;
        }
        let standing = watch::Sender::new(Standing::Held);
        let (owner, lease) = (owner.clone(), Arc::clone(lease));
        holdings.push(Holding { owner, lease, revision: 0, leaving: None, standing });
        true
    }

    /// Notes that a write was answered. Whoever of this connection wrote the key earlier is superseded.
    pub(crate) fn written(&self, key: &[u8], owner: &Owner, revision: i64) {
        let mut table = self.lock();
        let Some(holdings) = table.get_mut(key) else { return };
        let Some(holding) = holdings.iter_mut().find(|holding| holding.owner == *owner) else { return };
        holding.revision = holding.revision.max(revision);
        let newest = holdings.iter().map(|holding| holding.revision).max();
        for holding in holdings.iter().filter(|holding| holding.revision != 0 && Some(holding.revision) < newest) {
            holding.standing.send_replace(Standing::Superseded);
        }
    }

    /// How the entry stands, and under which lease; `None` when it is not in here.
    pub(crate) fn standing(&self, key: &[u8], owner: &Owner) -> Option<(watch::Receiver<Standing>, Arc<Lease>)> {
        let table = self.lock();
        let holding = table.get(key)?.iter().find(|holding| holding.owner == *owner)?;
        Some((holding.standing.subscribe(), Arc::clone(&holding.lease)))
    }

    /// Says how an entry stands, unless it was written again since it looked like `held`.
    pub(crate) fn judge(&self, held: &Held, standing: Standing) {
        let table = self.lock();
        let holding = table.get(&held.key).into_iter().flatten().find(|holding| holding.owner == held.owner);
        if let Some(holding) = holding
            && holding.revision == held.revision
            && Arc::ptr_eq(&holding.lease, &held.lease)
        {
            holding.standing.send_replace(standing);
        }
    }

    /// Notes that an entry is to be taken back; `None` when there is nothing to do in the registry: it is not in here,
    /// or a newer registrant of this connection has the key.
    pub(crate) fn leave(&self, key: &[u8], owner: &Owner) -> Option<Held> {
        let mut table = self.lock();
        let holdings = table.get_mut(key)?;
        let superseded = |holding: &Holding| matches!(*holding.standing.borrow(), Standing::Superseded);
        let others =
            holdings.iter().any(|holding| holding.owner != *owner && holding.leaving.is_none() && !superseded(holding));
        let holding = holdings.iter_mut().find(|holding| holding.owner == *owner)?;
        if others || superseded(holding) {
            forget(&mut table, key, owner);
            return None;
        }
        holding.leaving.get_or_insert_with(Instant::now);
        Some(Held {
            key: key.to_vec(),
            owner: owner.clone(),
            lease: Arc::clone(&holding.lease),
            revision: holding.revision,
        })
    }

    /// Forgets an entry that is no longer ours; one that is being written again is kept.
    pub(crate) fn left(&self, key: &[u8], owner: &Owner) {
        let mut table = self.lock();
        let holding = table.get(key).into_iter().flatten().find(|holding| holding.owner == *owner);
        if holding.is_some_and(|holding| holding.leaving.is_some()) {
            forget(&mut table, key, owner);
        }
    }

    /// Forgets an entry, whatever it is.
    pub(crate) fn drop_entry(&self, key: &[u8], owner: &Owner) {
        forget(&mut self.lock(), key, owner);
    }

    /// Forgets an entry that was never written, as far as we know.
    pub(crate) fn drop_unwritten(&self, key: &[u8], owner: &Owner) {
        let mut table = self.lock();
        let holding = table.get(key).into_iter().flatten().find(|holding| holding.owner == *owner);
        if holding.is_some_and(|holding| holding.revision == 0) {
            forget(&mut table, key, owner);
        }
    }

    /// The entries that must hang on `lease` now, if nobody has touched them.
    pub(crate) fn expected_on(&self, lease: &Arc<Lease>) -> Vec<Held> {
        let table = self.lock();
        let expected = |holding: &&Holding| {
            holding.revision != 0
                && holding.leaving.is_none()
                && Arc::ptr_eq(&holding.lease, lease)
                && matches!(*holding.standing.borrow(), Standing::Held)
        };
        let held = |key: &Vec<u8>, holding: &Holding| Held {
            key: key.clone(),
            owner: holding.owner.clone(),
            lease: Arc::clone(lease),
            revision: holding.revision,
        };
        table.iter().flat_map(|(key, holdings)| holdings.iter().filter(expected).map(|h| held(key, h))).collect()
    }

    /// Whether somebody of this connection wants the key to stand.
    pub(crate) fn wants(&self, key: &[u8]) -> bool {
        self.lock().get(key).is_some_and(|holdings| holdings.iter().any(|holding| holding.leaving.is_none()))
    }

    /// Forgets what was being taken back and is gone: from `lease`, when `attached` no longer names it, and from leases
    /// that are lost, since nothing keeps it alive. Those are kept for as long as the removal may still be tried, so
    /// that it does not seem to have worked.
    pub(crate) fn forget_left(&self, lease: &Arc<Lease>, attached: &HashSet<&[u8]>) {
        let is_gone = |key: &[u8], holding: &Holding| {
            let Some(since) = holding.leaving else { return false };
            if Arc::ptr_eq(&holding.lease, lease) {
                return !attached.contains(key);
            }
            holding.lease.lost().is_some() && since.elapsed() > 2 * DEREGISTER_TIMEOUT
        };
        self.lock().retain(|key, holdings| {
            holdings.retain(|holding| {
                let gone = is_gone(key, holding);
                if gone {
                    holding.lease.give_place();
                }
                !gone
            });
            !holdings.is_empty()
        });
    }
}

impl Holdings {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Vec<Holding>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(table: &mut HashMap<Vec<u8>, Vec<Holding>>, key: &[u8], owner: &Owner) {
    let Some(holdings) = table.get_mut(key) else { return };
    holdings.retain(|holding| {
        let goes = holding.owner == *owner;
        if goes {
            holding.lease.give_place();
        }
        !goes
    });
    if holdings.is_empty() {
        table.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn lease(id: i64) -> Arc<Lease> {
        Arc::new(Lease::new(id, Duration::from_secs(10), Instant::now()))
    }

    fn owner(text: &str) -> Owner {
        Owner::from_text(text)
    }

    fn standing(holdings: &Holdings, name: &str) -> Standing {
        holdings.standing(b"k", &owner(name)).unwrap().0.borrow().clone()
    }

    #[test]
    fn the_newest_writer_of_this_connection_wins_whatever_the_order_of_answers() {
        let (holdings, lease) = (Holdings::default(), lease(1));
        assert!(holdings.intend(b"k", &owner("a"), &lease) && holdings.intend(b"k", &owner("b"), &lease));
        holdings.written(b"k", &owner("b"), 7);
        holdings.written(b"k", &owner("a"), 5);
        assert!(matches!(standing(&holdings, "a"), Standing::Superseded));
        assert!(matches!(standing(&holdings, "b"), Standing::Held));
        assert!(holdings.leave(b"k", &owner("a")).is_none());
        assert_eq!(holdings.leave(b"k", &owner("b")).unwrap().revision, 7);
    }

    #[test]
    fn a_lost_lease_takes_no_more_entries_and_a_new_one_takes_them_over() {
        let (holdings, first, second) = (Holdings::default(), lease(1), lease(2));
        assert!(holdings.intend(b"k", &owner("a"), &first));
        first.lose(Error::unavailable("x"));
        assert!(!holdings.intend(b"k", &owner("a"), &first));
        assert!(!holdings.intend(b"l", &owner("a"), &first));
        assert!(holdings.intend(b"k", &owner("a"), &second));
        assert_eq!((first.places_taken(), second.places_taken()), (0, 1));
    }

    #[test]
    fn a_verdict_on_what_was_written_again_does_not_count() {
        let (holdings, lease) = (Holdings::default(), lease(1));
        assert!(holdings.intend(b"k", &owner("a"), &lease));
        holdings.written(b"k", &owner("a"), 5);
        let before = holdings.expected_on(&lease).remove(0);
        holdings.written(b"k", &owner("a"), 6);
        holdings.judge(&before, Standing::Superseded);
        assert!(matches!(standing(&holdings, "a"), Standing::Held));
        holdings.judge(&holdings.expected_on(&lease)[0], Standing::Superseded);
        assert!(matches!(standing(&holdings, "a"), Standing::Superseded));
    }

    #[test]
    fn what_is_being_taken_back_is_not_wanted_and_gives_its_place_back_when_gone() {
        let (holdings, lease) = (Holdings::default(), lease(1));
        assert!(holdings.intend(b"k", &owner("a"), &lease));
        holdings.leave(b"k", &owner("a")).unwrap();
        assert!(!holdings.wants(b"k"));
        assert_eq!(lease.places_taken(), 1);
        holdings.left(b"k", &owner("a"));
        assert_eq!(lease.places_taken(), 0);
        assert!(holdings.leave(b"k", &owner("a")).is_none());
    }
}
