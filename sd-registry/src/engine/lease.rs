//! Leases: until when an entry stands without being renewed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use sd_core::ServiceName;

use crate::engine::clock::{Millis, millis};

/// Holds one registration; an update keeps it, a takeover begins another.
///
/// A renewal is one store here: no queue is touched, no lock but that of the lookup is taken, nothing goes to disk.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) serial: u64,
    pub(crate) ttl: Duration,
    deadline: AtomicU64,
    /// It has lapsed, and its entry is being taken away.
    ending: AtomicBool,
}

impl Lease {
    pub(crate) fn new(serial: u64, ttl: Duration, now: Millis) -> Arc<Self> {
        let deadline = AtomicU64::new(now.saturating_add(millis(ttl)));
        Arc::new(Self { serial, ttl, deadline, ending: AtomicBool::new(false) })
    }

    pub(crate) fn deadline(&self) -> Millis {
        self.deadline.load(SeqCst)
    }

    /// Puts the deadline one TTL from `now`; `false` when it comes too late.
    pub(crate) fn renew(&self, now: Millis) -> bool {
        self.extend(now.saturating_add(millis(self.ttl)));
        // Read after the store: whoever ends it reads the deadline after saying so, hence one of the two sees the other.
        !self.ending.load(SeqCst)
    }

    /// Puts the deadline at `until` unless it is later already.
    pub(crate) fn extend(&self, until: Millis) {
        self.deadline.fetch_max(until, SeqCst);
    }

    /// Marks it as ending, unless it has been renewed beyond `now` meanwhile.
    pub(crate) fn end(&self, now: Millis) -> bool {
        self.ending.store(true, SeqCst);
        let lapsed = self.deadline() <= now;
        if !lapsed {
            self.go_on();
        }
        lapsed
    }

    /// Takes back that it is ending: its entry could not be taken away.
    pub(crate) fn go_on(&self) {
        self.ending.store(false, SeqCst);
    }
}

/// Whose lease is due.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) lease: Arc<Lease>,
}

/// When to look at which lease. Only the writer touches it.
///
/// A renewal does not move a lease: it is looked at when it would have lapsed, and queued again at its new deadline.
/// So there is one place per lease, whatever the rate of renewals.
#[derive(Debug, Default)]
pub(crate) struct LeaseQueue {
    order: BTreeMap<(Millis, u64), Due>,
    places: HashMap<u64, Millis>,
}

impl LeaseQueue {
    pub(crate) fn add(&mut self, due: Due) {
        let (serial, at) = (due.lease.serial, due.lease.deadline());
        self.add_at(at, serial, due);
    }

    fn add_at(&mut self, at: Millis, serial: u64, due: Due) {
        if let Some(before) = self.places.insert(serial, at) {
            self.order.remove(&(before, serial));
        }
        self.order.insert((at, serial), due);
    }

    pub(crate) fn remove(&mut self, lease: &Lease) {
        if let Some(at) = self.places.remove(&lease.serial) {
            self.order.remove(&(at, lease.serial));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// When the next one has to be looked at.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.order.keys().next().map(|(at, _)| *at)
    }

    /// Takes out those that have lapsed by `now`; those renewed meanwhile are queued again.
    pub(crate) fn lapsed(&mut self, now: Millis) -> Vec<Due> {
        let mut lapsed = Vec::new();
        while let Some(first) = self.order.first_entry() {
            let (at, serial) = *first.key();
            if at > now {
                break;
            }
            let due = first.remove();
            self.places.remove(&serial);
            if due.lease.deadline() > now {
                self.add(due);
            } else {
                lapsed.push(due);
            }
        }
        lapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(serial: u64, ttl_ms: u64) -> Due {
        let lease = Lease::new(serial, Duration::from_millis(ttl_ms), 0);
        Due { service: "book".parse().unwrap(), id: serial.to_string().into(), lease }
    }

    #[test]
    fn a_renewed_lease_is_looked_at_again_at_its_new_deadline() {
        let mut queue = LeaseQueue::default();
        let (first, second) = (due(1, 100), due(2, 100));
        queue.add(first.clone());
        queue.add(second);
        assert!(first.lease.renew(50));
        let lapsed = queue.lapsed(100);
        assert_eq!(lapsed.iter().map(|due| due.lease.serial).collect::<Vec<_>>(), [2]);
        assert_eq!(queue.next(), Some(150));
        assert_eq!(queue.lapsed(150).len(), 1);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_renewal_and_an_end_never_both_win() {
        let lease = due(1, 100).lease;
        assert!(lease.end(100));
        assert!(!lease.renew(101), "its entry is being taken away");
        let lease = due(1, 100).lease;
        assert!(lease.renew(99));
        assert!(!lease.end(100));
        assert!(lease.renew(120), "an end that was too early leaves no trace");
    }

    #[test]
    fn one_place_per_lease_however_often_it_is_queued_or_removed() {
        let mut queue = LeaseQueue::default();
        let one = due(1, 100);
        for _ in 0..100 {
            one.lease.renew(10);
            queue.add(one.clone());
        }
        assert_eq!(queue.order.len(), 1);
        queue.remove(&one.lease);
        assert!(queue.order.is_empty() && queue.places.is_empty());
        queue.remove(&one.lease);
    }
}
