//! What this connection has put into the registry, or is about to: who wants which node.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sd_core::Owner;
use tokio::sync::watch;
use tokio::time::Instant;

/// What this connection has put into the registry, or is about to.
///
/// An entry is noted before its node is written, so that nothing can be written that nobody knows of. One that could not
/// be taken away stays in here until it is gone.
#[derive(Debug)]
pub(crate) struct Holdings {
    table: Mutex<HashMap<String, Vec<Holding>>>,
    /// How many removals have failed.
    remnants: watch::Sender<u64>,
}

#[derive(Debug)]
struct Holding {
    owner: Owner,
    leaving: bool,
    /// Another registration of this connection has the node now.
    superseded: watch::Sender<bool>,
    /// Since when another program's node stands in the way: the transaction that made it, and when it was met.
    stranger: Option<(i64, Instant)>,
}

impl Default for Holdings {
    fn default() -> Self {
        Self { table: Mutex::default(), remnants: watch::Sender::new(0) }
    }
}

impl Holdings {
    /// Notes that `owner` is about to write the node.
    pub(crate) fn intend(&self, path: &str, owner: &Owner) {
        let mut table = self.lock();
        let holdings = table.entry(path.to_owned()).or_default();
        match holdings.iter_mut().find(|holding| holding.owner == *owner) {
            Some(holding) => holding.leaving = false,
            None => holdings.push(Holding {
                owner: owner.clone(),
                leaving: false,
                superseded: watch::Sender::new(false),
                stranger: None,
            }),
        }
    }

    /// Notes that a write was answered. Whoever else of this connection has the node is superseded.
    pub(crate) fn written(&self, path: &str, owner: &Owner) {
        let mut table = self.lock();
        for holding in table.get_mut(path).into_iter().flatten() {
            holding.superseded.send_replace(holding.owner != *owner);
            if holding.owner == *owner {
                holding.stranger = None;
            }
        }
    }

    /// Whether another registration of this connection has the node; `None` when the entry is not in here.
    pub(crate) fn superseded(&self, path: &str, owner: &Owner) -> Option<watch::Receiver<bool>> {
        let table = self.lock();
        Some(table.get(path)?.iter().find(|holding| holding.owner == *owner)?.superseded.subscribe())
    }

    /// Since when another program's node, made by transaction `made`, has been in the way.
    pub(crate) fn met_stranger(&self, path: &str, owner: &Owner, made: i64) -> Instant {
        let mut table = self.lock();
        let now = Instant::now();
        let holding = table.get_mut(path).into_iter().flatten().find(|holding| holding.owner == *owner);
        let Some(holding) = holding else { return now };
        match holding.stranger {
            Some((known, since)) if known == made => since,
            _ => {
                holding.stranger = Some((made, now));
                now
            }
        }
    }

    /// Notes that an entry is to be taken back; `false` when there is nothing to do in the registry: it is not in here,
    /// or another registration of this connection has the node.
    pub(crate) fn leave(&self, path: &str, owner: &Owner) -> bool {
        let mut table = self.lock();
        let Some(holding) = table.get_mut(path).into_iter().flatten().find(|holding| holding.owner == *owner) else {
            return false;
        };
        if *holding.superseded.borrow() {
            forget(&mut table, path, owner);
            return false;
        }
        holding.leaving = true;
        true
    }

    /// Forgets an entry.
    pub(crate) fn forget(&self, path: &str, owner: &Owner) {
        forget(&mut self.lock(), path, owner);
    }

    /// Forgets an entry that has been taken away, unless it is being written again.
    pub(crate) fn left(&self, path: &str, owner: &Owner) {
        let mut table = self.lock();
        if table.get(path).into_iter().flatten().any(|holding| holding.owner == *owner && holding.leaving) {
            forget(&mut table, path, owner);
        }
    }

    /// Whether another registration of this connection than `owner`'s wants the node to stand.
    pub(crate) fn wanted_by_another(&self, path: &str, owner: &Owner) -> bool {
        let table = self.lock();
        let wants = |holding: &Holding| !holding.leaving && !*holding.superseded.borrow();
        table.get(path).into_iter().flatten().any(|holding| holding.owner != *owner && wants(holding))
    }

    /// Says that an entry could not be taken away.
    pub(crate) fn removal_failed(&self) {
        self.remnants.send_modify(|failed| *failed += 1);
    }

    /// Word of every removal that failed.
    pub(crate) fn failed_removals(&self) -> watch::Receiver<u64> {
        self.remnants.subscribe()
    }

    /// Everything that is to be taken back and has not been yet.
    pub(crate) fn leaving(&self) -> Vec<(String, Owner)> {
        let table = self.lock();
        let leaving = |(path, holdings): (&String, &Vec<Holding>)| {
            let owners = holdings.iter().filter(|holding| holding.leaving).map(|holding| holding.owner.clone());
            owners.map(|owner| (path.clone(), owner)).collect::<Vec<_>>()
        };
        table.iter().flat_map(leaving).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Holding>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(table: &mut HashMap<String, Vec<Holding>>, path: &str, owner: &Owner) {
    let Some(holdings) = table.get_mut(path) else { return };
    holdings.retain(|holding| holding.owner != *owner);
    if holdings.is_empty() {
        table.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str) -> Owner {
        Owner::from_text(text)
    }

    #[test]
    fn the_later_of_two_registrations_has_the_node_and_the_other_takes_nothing_back() {
        let holdings = Holdings::default();
        for name in ["a", "b"] {
            holdings.intend("/p", &owner(name));
            holdings.written("/p", &owner(name));
        }
        assert!(*holdings.superseded("/p", &owner("a")).unwrap().borrow());
        assert!(!*holdings.superseded("/p", &owner("b")).unwrap().borrow());
        assert!(!holdings.leave("/p", &owner("a")), "another has it");
        assert!(holdings.leave("/p", &owner("b")));
        assert!(holdings.superseded("/p", &owner("a")).is_none(), "forgotten");
    }

    #[test]
    fn what_is_leaving_is_known_until_it_has_left() {
        let holdings = Holdings::default();
        holdings.intend("/p", &owner("a"));
        assert!(holdings.leaving().is_empty() && !holdings.leave("/q", &owner("a")));
        assert!(holdings.leave("/p", &owner("a")));
        assert_eq!(holdings.leaving(), [("/p".to_owned(), owner("a"))]);
        holdings.intend("/p", &owner("a"));
        holdings.left("/p", &owner("a"));
        assert!(holdings.superseded("/p", &owner("a")).is_some(), "it is being written again");
        holdings.leave("/p", &owner("a"));
        holdings.left("/p", &owner("a"));
        assert!(holdings.leaving().is_empty() && holdings.superseded("/p", &owner("a")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_remembered_for_as_long_as_it_is_the_same() {
        let holdings = Holdings::default();
        holdings.intend("/p", &owner("a"));
        let met = holdings.met_stranger("/p", &owner("a"), 7);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(holdings.met_stranger("/p", &owner("a"), 7), met);
        assert!(holdings.met_stranger("/p", &owner("a"), 8) > met);
    }
}
