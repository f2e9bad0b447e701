//! The write half of a subscription: keeps the set, decides what is published, remembers what was known.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::Error;
use crate::instance::Instance;
use crate::snapshot::{Freshness, Snapshot};
use crate::staleness::StalenessPolicy;
use crate::subscription::Subscription;

mod change;
mod state;

pub use change::Change;
use change::{Instances, last_of_each, put};
use state::State;

/// How many unreadable entries are told apart in the log; beyond it they are not counted either.
const SKIPPED_REMEMBERED: usize = 1024;

/// Where a broken watch may go on: what it means is the backend's own affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The revision, index or transaction that was read last.
    pub position: u64,
    /// What the position counts in: a cluster's identity.
    pub epoch: u64,
}

/// The write half of a subscription; clones write to the same set.
///
/// Nobody can block it by not reading. An instance that did not change keeps its `Arc`, and a publication that would
/// change nothing is none. A [`fail`](Self::fail) keeps what was known, marked stale.
#[derive(Debug, Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    sender: watch::Sender<Snapshot>,
    deadline_moved: Notify,
    /// Told at every publication of what is live; one waits, the watcher.
    settled: Notify,
}

impl Publisher {
    /// A set of which nothing is known yet, whose registrations live `ttl`.
    #[must_use]
    pub fn new(policy: StalenessPolicy, ttl: Duration) -> Self {
        let state = State {
            policy,
            ttl,
            missing: BTreeMap::new(),
            hold_until: None,
            stale_since: None,
            invalidated: None,
            broken: false,
            cursor: None,
            kept: None,
            skipped: HashMap::new(),
        };
        let (sender, _) = watch::channel(Snapshot::pending());
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                sender,
                deadline_moved: Notify::new(),
                settled: Notify::new(),
            }),
        }
    }

    /// A read half.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.shared.sender.subscribe())
    }

    /// Publishes the whole set, as read from the registry. The last of several with one id stands.
    ///
    /// After a break, a set that lacks too much of what was known is held, as the policy says.
    pub fn replace(&self, instances: impl IntoIterator<Item = Arc<Instance>>) {
        let mut state = self.lock();
        // What was dropped for its age is not to be held: nobody sees it any more.
        let dropped = state.invalidated.is_some();
        let before = self.known(&state);
        let mut next = before.clone();
        let mut changed = false;
        let mut seen = HashMap::with_capacity(before.len());
        seen.extend(instances.into_iter().map(|instance| (instance.shared_id(), instance)));
        for instance in seen.values() {
            changed |= put(&mut next, instance);
        }
        state.missing.retain(|id, _| !seen.contains_key(id));
        let lost: Vec<_> = before.keys().filter(|id| !seen.contains_key(*id)).cloned().collect();
        let newly_lost: Vec<_> = lost.iter().filter(|id| !state.missing.contains_key(*id)).cloned().collect();
        let held_before = state.missing.len();
        if state.broken && !dropped && state.policy.is_mass_removal(newly_lost.len(), before.len() - held_before) {
            state.hold(&newly_lost);
        }
        for id in &lost {
            if !state.missing.contains_key(id) {
                changed |= next.remove(id).is_some();
            }
        }
        state.broken = false;
        self.settle(&mut state, next, changed);
    }

    /// Publishes changes that were read together, together.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.lock();
        let before = self.known(&state);
        let mut next = before.clone();
        let mut changed = false;
        let mut lost = Vec::new();
        for change in last_of_each(changes) {
            match change {
                Change::Put(instance) => {
                    state.missing.remove(instance.id());
                    changed |= put(&mut next, &instance);
                }
                Change::Remove(id) => {
                    state.missing.remove(&id);
                    if next.remove(&id).is_some() {
                        changed = true;
                        lost.push(id);
                    }
                }
            }
        }
        if state.policy.hold_live && state.policy.is_mass_removal(lost.len(), before.len()) {
            state.hold(&lost);
            for instance in lost.iter().filter_map(|id| before.get(id)) {
                next.insert(instance.shared_id(), Arc::clone(instance));
            }
        }
        self.settle(&mut state, next, changed);
    }

    /// Says that what was published last is live again, though nothing changed.
    pub fn live(&self) {
        let mut state = self.lock();
        state.broken = false;
        let instances = self.known(&state);
        self.settle(&mut state, instances, false);
    }

    /// Says that the registry can't be watched now. What was known stays.
    pub fn fail(&self, error: Error) {
        let mut state = self.lock();
        state.broken = true;
        self.shared.sender.send_modify(|snapshot| {
            snapshot.version += 1;
            if snapshot.freshness.is_pending() {
                snapshot.freshness = Freshness::Pending { error: Some(error) };
                return;
            }
            let since = *state.stale_since.get_or_insert_with(Instant::now);
            snapshot.freshness = Freshness::Stale { since: since.into_std(), error };
            snapshot.basis = state.basis();
        });
        drop(state);
        self.shared.deadline_moved.notify_one();
    }

    /// Counts an entry of the registry that can't be read, and logs it once per key and revision.
    pub fn skip(&self, key: &str, revision: u64, reason: &dyn std::fmt::Display) {
        let mut state = self.lock();
        let known = state.skipped.get(key).copied();
        if known == Some(revision) || (known.is_none() && state.skipped.len() >= SKIPPED_REMEMBERED) {
            return;
        }
        tracing::warn!(key, revision, %reason, "left out an entry that can't be read");
        state.skipped.insert(key.to_owned(), revision);
        self.publish_skipped(&state);
    }

    /// Says that an entry counted by [`skip`](Self::skip) is gone or can be read now.
    pub fn unskip(&self, key: &str) {
        let mut state = self.lock();
        if state.skipped.remove(key).is_some() {
            self.publish_skipped(&state);
        }
    }

    /// Forgets the unreadable entries for which `keep` says no: those that a re-list did not find.
    pub fn retain_skipped(&self, keep: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let before = state.skipped.len();
        state.skipped.retain(|key, _| keep(key));
        if state.skipped.len() != before {
            self.publish_skipped(&state);
        }
    }

    /// Where the last session stood, for the next one to go on.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.lock().cursor
    }

    /// Notes where the next session may go on; `None` makes it read the whole set.
    pub fn set_cursor(&self, cursor: Option<Cursor>) {
        self.lock().cursor = cursor;
    }

    /// Keeps what the next session needs beside the cursor: which keys stand behind the instances, say.
    pub fn keep(&self, kept: Box<dyn Any + Send>) {
        self.lock().kept = Some(kept);
    }

    /// Takes what the last session kept.
    #[must_use]
    pub fn take_kept(&self) -> Option<Box<dyn Any + Send>> {
        self.lock().kept.take()
    }

    /// What was published last.
    #[must_use]
    pub fn current(&self) -> Snapshot {
        self.shared.sender.borrow().clone()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.shared.sender.borrow().freshness.is_live()
    }

    /// Resolves once what is published is live. Cancel safe.
    pub(crate) async fn until_live(&self) {
        while !self.is_live() {
            self.shared.settled.notified().await;
        }
    }

    /// How many read halves there are.
    pub(crate) fn subscribers(&self) -> usize {
        self.shared.sender.receiver_count()
    }

    /// Resolves when the last read half is gone. Cancel safe.
    pub(crate) async fn unwatched(&self) {
        self.shared.sender.closed().await;
    }

    /// Ends holds and drops sets that have been stale for too long, when it is time; never resolves. Cancel safe.
    pub async fn keep_deadlines(&self) {
        loop {
            let deadline = self.lock().deadline();
            let moved = self.shared.deadline_moved.notified();
            match deadline {
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => self.expire(),
                    () = moved => {}
                },
                None => moved.await,
            }
        }
    }

    fn expire(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        let mut next = self.current().instances;
        let invalidates = state.invalidates_at().is_some_and(|at| at <= now);
        if invalidates || state.hold_until.is_some_and(|until| until <= now) {
            for id in std::mem::take(&mut state.missing).into_keys() {
                next.remove(&id);
            }
            state.release();
        }
        if invalidates {
            state.invalidated = Some(std::mem::take(&mut next));
        }
        self.shared.sender.send_modify(|snapshot| {
            snapshot.instances = next;
            snapshot.basis = state.basis();
            snapshot.version += 1;
        });
    }

    /// Publishes `next` as live, if that changes anything.
    fn settle(&self, state: &mut State, next: Instances, changed: bool) {
        if state.missing.is_empty() {
            state.release();
        }
        state.stale_since = None;
        let was_invalidated = state.invalidated.take().is_some();
        let basis = state.basis();
        self.shared.sender.send_if_modified(|snapshot| {
            let publish = changed || was_invalidated || !snapshot.freshness.is_live() || snapshot.basis != basis;
            if publish {
                snapshot.instances = next;
                snapshot.freshness = Freshness::Live;
                snapshot.basis = basis;
                snapshot.version += 1;
            }
            publish
        });
        self.shared.deadline_moved.notify_one();
        self.shared.settled.notify_one();
    }

    /// What the registry held last, whether it is published or was dropped for its age.
    fn known(&self, state: &State) -> Instances {
        state.invalidated.clone().unwrap_or_else(|| self.current().instances)
    }

    fn publish_skipped(&self, state: &State) {
        self.shared.sender.send_modify(|snapshot| {
            snapshot.skipped = state.skipped.len();
            snapshot.version += 1;
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside can leave the state half-changed, so a panic elsewhere does not spoil it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
