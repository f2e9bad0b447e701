//! The newest changes of one service, or of all: what watchers read from, each at its own pace.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::engine::change::Event;

/// So many changes are kept at least, however few instances there are.
const KEPT_AT_LEAST: usize = 64;
/// And so many at most.
const KEPT_AT_MOST: usize = 4_096;
/// Whatever their number, they take no more room than this.
const KEPT_BYTES: usize = 16 << 20;
/// A watcher takes no more than so many at once.
const READ_AT_ONCE: usize = 256;

/// A bounded history, shared by all who watch: nothing is queued per watcher, so a slow one costs nothing and holds up
/// nobody. Who has fallen behind what is kept reads a snapshot instead.
#[derive(Debug)]
pub(crate) struct Hub {
    history: Mutex<History>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct History {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything after this revision is there.
    floor: u64,
}

/// What a watcher finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// Changes in order; none, when it has seen all.
    Events(Vec<Arc<Event>>),
    /// What comes next is no longer kept.
    TooOld,
}

impl Hub {
    /// Knows nothing of what was before `floor`.
    pub(crate) fn new(floor: u64) -> Arc<Self> {
        let history = History { events: VecDeque::new(), bytes: 0, floor };
        Arc::new(Self { history: Mutex::new(history), newest: watch::Sender::new(floor) })
    }

    /// Keeps an event. More than `instances` of them are of no use: a snapshot says as much in fewer bytes.
    pub(crate) fn push(&self, event: Arc<Event>, instances: usize) {
        let limit = instances.clamp(KEPT_AT_LEAST, KEPT_AT_MOST);
        let mut history = self.history();
        history.bytes += event.weight();
        history.events.push_back(event);
        while history.events.len() > limit || history.bytes > KEPT_BYTES {
            let Some(oldest) = history.events.pop_front() else { break };
            history.bytes -= oldest.weight();
            history.floor = oldest.change.revision();
        }
    }

    /// Knows nothing of what was before `floor`.
    pub(crate) fn start_over(&self, floor: u64) {
        *self.history() = History { events: VecDeque::new(), bytes: 0, floor };
        self.announce(floor);
    }

    /// Wakes whoever waits.
    pub(crate) fn announce(&self, revision: u64) {
        self.newest.send_replace(revision);
    }

    /// What came after `position`.
    pub(crate) fn after(&self, position: u64) -> Found {
        let history = self.history();
        if position < history.floor {
            return Found::TooOld;
        }
        let from = history.events.partition_point(|event| event.change.revision() <= position);
        Found::Events(history.events.iter().skip(from).take(READ_AT_ONCE).cloned().collect())
    }

    /// What came after `position`, as far as it is kept: the newest first, and of those the first `count` that are wanted.
    pub(crate) fn newest(&self, position: u64, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
        let history = self.history();
        let newer = history.events.iter().rev().take_while(|event| event.change.revision() > position);
        newer.filter(|event| wanted(event)).take(count).cloned().collect()
    }

    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    pub(crate) fn listeners(&self) -> usize {
        self.newest.receiver_count()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::change::{Change, Epoch, What};

    fn event(revision: u64) -> Arc<Event> {
        let change = Change::Appeared { service: "book".parse().unwrap(), revision };
        Arc::new(Event::new(change, What::Registered, revision, Epoch(1)))
    }

    fn revisions(found: Found) -> Option<Vec<u64>> {
        match found {
            Found::Events(events) => Some(events.iter().map(|event| event.change.revision()).collect()),
            Found::TooOld => None,
        }
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_not_is_too_old() {
        let hub = Hub::new(10);
        for revision in [12, 15, 20] {
            hub.push(event(revision), 0);
        }
        assert_eq!(revisions(hub.after(9)), None, "before it was made");
        assert_eq!(revisions(hub.after(10)), Some(vec![12, 15, 20]));
        assert_eq!(revisions(hub.after(13)), Some(vec![15, 20]));
        assert_eq!(revisions(hub.after(20)), Some(vec![]));
        let newest = |position, count| revisions(Found::Events(hub.newest(position, count, |event| event.at != 15)));
        assert_eq!((newest(0, 9), newest(12, 9), newest(0, 1)), (Some(vec![20, 12]), Some(vec![20]), Some(vec![20])));
        for revision in 100..100 + KEPT_AT_LEAST as u64 {
            hub.push(event(revision), 0);
        }
        assert_eq!(revisions(hub.after(19)), None);
        assert_eq!(revisions(hub.after(20)).map(|found| found.len()), Some(KEPT_AT_LEAST));
    }

    #[test]
    fn a_history_grows_with_its_service_and_has_a_limit() {
        let hub = Hub::new(0);
        (1..=10_000).for_each(|revision| hub.push(event(revision), 1_000));
        assert_eq!(hub.history().events.len(), 1_000);
        (10_001..=20_000).for_each(|revision| hub.push(event(revision), 1_000_000));
        assert_eq!(hub.history().events.len(), KEPT_AT_MOST);
    }
}
