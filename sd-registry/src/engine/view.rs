//! What is registered, for all to read and watch.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;
use sd_core::ServiceName;
use tokio::sync::watch;

use crate::engine::change::{Change, Epoch, Event, What};
use crate::engine::clock::unix_now;
use crate::engine::entry::Entry;
use crate::engine::hub::Hub;

/// The entries of one service. A clone shares all of it, so a snapshot of 100,000 costs a pointer.
pub(crate) type Entries = OrdMap<Arc<str>, Arc<Entry>>;

/// What is registered. One writer changes it; any number read, and none holds its lock while encoding or sending.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) epoch: Epoch,
    state: Mutex<State>,
    /// Set after the hubs have what it says.
    revision: AtomicU64,
    pub(crate) all: Arc<Hub>,
    pub(crate) names: Arc<Hub>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    services: HashMap<ServiceName, Service>,
    instances: usize,
    /// Services with an instance.
    inhabited: usize,
}

#[derive(Debug)]
struct Service {
    entries: Entries,
    hub: Arc<Hub>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) revision: u64,
    pub(crate) services: usize,
    pub(crate) instances: usize,
}

impl View {
    /// What was read from disk, as of `revision`; nothing, for a new one.
    pub(crate) fn new(epoch: Epoch, revision: u64, entries: impl IntoIterator<Item = Arc<Entry>>) -> Self {
        let mut state = State { revision, ..State::default() };
        for entry in entries {
            let service = state.service(&entry.service, revision);
            service.entries.insert(Arc::clone(&entry.id), entry);
        }
        state.instances = state.services.values().map(|service| service.entries.len()).sum();
        state.inhabited = state.services.len();
        Self {
            epoch,
            state: Mutex::new(state),
            revision: AtomicU64::new(revision),
            all: Hub::new(revision),
            names: Hub::new(revision),
        }
    }

    pub(crate) fn entry(&self, service: &ServiceName, id: &str) -> Option<Arc<Entry>> {
        self.state().services.get(service)?.entries.get(id).cloned()
    }

    /// Several entries under one lock.
    pub(crate) fn find<'a>(&self, keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Option<Arc<Entry>>> {
        let state = self.state();
        let find = |(service, id): (&str, &str)| state.services.get(service)?.entries.get(id).cloned();
        keys.into_iter().map(find).collect()
    }

    /// The entries of one service, as of a revision.
    pub(crate) fn entries(&self, service: &ServiceName) -> (u64, Entries) {
        let state = self.state();
        let entries = state.services.get(service).map(|service| service.entries.clone()).unwrap_or_default();
        (state.revision, entries)
    }

    /// The entries of all services, by name, as of a revision.
    pub(crate) fn all_entries(&self) -> (u64, Vec<(ServiceName, Entries)>) {
        let state = self.state();
        let inhabited = state.services.iter().filter(|(_, service)| !service.entries.is_empty());
        let mut all: Vec<_> = inhabited.map(|(name, service)| (name.clone(), service.entries.clone())).collect();
        let revision = state.revision;
        drop(state);
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        (revision, all)
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { revision: state.revision, services: state.inhabited, instances: state.instances }
    }

    /// How many instances a service has.
    pub(crate) fn instances_of(&self, service: &ServiceName) -> usize {
        self.state().services.get(service).map_or(0, |service| service.entries.len())
    }

    /// The newest revision; every hub has all changes up to it.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Begins to listen to one service, whether it has instances or not. The listener is counted before the lock is
    /// released: otherwise the service could be forgotten in between.
    pub(crate) fn listen(&self, service: &ServiceName) -> (Arc<Hub>, watch::Receiver<u64>) {
        let mut state = self.state();
        let revision = state.revision;
        let hub = Arc::clone(&state.service(service, revision).hub);
        let woken = hub.listen();
        (hub, woken)
    }

    /// Forgets a service that has no instance and no watcher left.
    pub(crate) fn tidy(&self, service: &ServiceName) {
        let mut state = self.state();
        if state.services.get(service).is_some_and(Service::is_unused) {
            state.services.remove(service);
        }
    }

    /// Forgets what is shown of a service, without telling anybody that it went: it did not, as far as is known. Whoever
    /// resumes from before is given a snapshot.
    pub(crate) fn forget(&self, service: &ServiceName) {
        let mut state = self.state();
        let Some(known) = state.services.remove(service) else { return };
        if known.entries.is_empty() {
            return;
        }
        state.revision += 1;
        state.instances -= known.entries.len();
        state.inhabited -= 1;
        let revision = state.revision;
        self.all.start_over(revision);
        self.names.start_over(revision);
        self.revision.store(revision, Ordering::Release);
    }

    /// Makes changes visible, all at once, in the order of their revisions.
    pub(crate) fn apply(&self, changes: Vec<Change>) {
        self.apply_as(changes, What::Registered);
    }

    /// As [`apply`](Self::apply); an entry under an id that was free comes to `new`.
    pub(crate) fn apply_as(&self, changes: Vec<Change>, new: What) {
        let Some(revision) = changes.last().map(Change::revision) else { return };
        let mut touched: HashSet<ServiceName> = HashSet::new();
        let mut hubs = vec![Arc::clone(&self.all)];
        let at = unix_now();
        let mut state = self.state();
        for change in changes {
            let (name, revision) = (change.service().clone(), change.revision());
            let service = state.service(&name, revision.saturating_sub(1));
            let before = service.entries.len();
            let what = match &change {
                Change::Put(entry) => match service.entries.insert(Arc::clone(&entry.id), Arc::clone(entry)) {
                    None => new,
                    Some(before) if before.owner != entry.owner => What::TakenOver,
                    Some(_) => What::Changed,
                },
                Change::Remove { entry, reason, .. } => {
                    service.entries.remove(&entry.id);
                    What::Went(*reason)
                }
                Change::Appeared { .. } | Change::Vanished { .. } => What::Changed,
            };
            let after = service.entries.len();
            let event = Arc::new(Event::new(change, what, at, self.epoch));
            service.hub.push(Arc::clone(&event), after);
            if touched.insert(name.clone()) {
                hubs.push(Arc::clone(&service.hub));
            }
            state.instances = state.instances + after - before;
            self.all.push(event, state.instances);
            let named = match (before, after) {
                (0, 1..) => Change::Appeared { service: name, revision },
                (1.., 0) => Change::Vanished { service: name, revision },
                _ => continue,
            };
            state.inhabited = if after > 0 { state.inhabited + 1 } else { state.inhabited - 1 };
            self.names.push(Arc::new(Event::new(named, what, at, self.epoch)), state.inhabited);
            if hubs.iter().all(|hub| !Arc::ptr_eq(hub, &self.names)) {
                hubs.push(Arc::clone(&self.names));
            }
        }
        state.revision = revision;
        for name in &touched {
            if state.services.get(name).is_some_and(Service::is_unused) {
                state.services.remove(name);
            }
        }
        self.revision.store(revision, Ordering::Release);
        drop(state);
        hubs.iter().for_each(|hub| hub.announce(revision));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn service(&mut self, name: &ServiceName, floor: u64) -> &mut Service {
        let new = || Service { entries: Entries::new(), hub: Hub::new(floor) };
        self.services.entry(name.clone()).or_insert_with(new)
    }
}

impl Service {
    fn is_unused(&self) -> bool {
        self.entries.is_empty() && self.hub.listeners() == 0
    }
}
