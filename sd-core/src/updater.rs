//! The task behind an endpointer: follows the instances, makes services, publishes sets, retires old ones.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;

use crate::admission::{LeftOut, PanicGauge, left_out};
use crate::backoff::Backoff;
use crate::balancer::Balancer;
use crate::cell::EndpointCell;
use crate::defaults::MAX_CONNECTING;
use crate::delta::Delta;
use crate::endpoints::{Endpoints, Seat};
use crate::error::{BoxError, Error};
use crate::factory::{Connecting, Factory};
use crate::filter::Filter;
use crate::instance::Instance;
use crate::load::{InstanceKey, Load};
use crate::members::Member;
use crate::snapshot::Snapshot;
use crate::subscription::Subscription;

/// How often retired sets are looked at while there are any: a reader holds one for nanoseconds.
const RETIRE_EVERY: Duration = Duration::from_millis(5);
/// So many retired sets are kept for readers that stand still inside a pick; beyond it the reader frees its set itself.
const MOST_RETIRED: usize = 1024;

type Joined<S> = Result<(task::Id, Result<S, BoxError>), task::JoinError>;

pub(crate) struct Updater<F: Factory> {
    cell: Arc<EndpointCell<F::Service>>,
    subscription: Subscription,
    factory: F,
    balancer: Arc<dyn Balancer>,
    wanted: watch::Receiver<Filter>,
    filter: Filter,
    panic: PanicGauge,
    connect_timeout: Duration,

    seen: Snapshot,
    /// The set that is being prepared.
    next: Endpoints<F::Service>,
    /// Where each member stands, by its id.
    places: HashTable<u32>,
    hasher: RandomState,
    /// Everyone who is known and no member.
    aside: HashMap<Arc<str>, Aside<F::Service>>,
    dials: JoinSet<Result<F::Service, BoxError>>,
    /// For whom each dial is.
    dialing: HashMap<task::Id, (InstanceKey, Arc<str>)>,
    /// Waiting for a free place among the dials.
    queue: VecDeque<Arc<str>>,
    retries: BTreeSet<(Instant, Arc<str>)>,
    retired: VecDeque<Arc<Endpoints<F::Service>>>,
    next_key: u64,
}

/// Someone who is known and no member.
struct Aside<S> {
    load: Load,
    backoff: Option<Backoff>,
    stage: Stage<S>,
}

enum Stage<S> {
    /// Nobody has asked for a service yet.
    Unmade,
    Queued,
    Dialing,
    Failed,
    /// It has one, and may not be picked.
    Made(Arc<Seat<S>>),
}

impl<F: Factory> Updater<F> {
    pub(crate) fn new(
        cell: Arc<EndpointCell<F::Service>>,
        subscription: Subscription,
        factory: F,
        balancer: Arc<dyn Balancer>,
        mut wanted: watch::Receiver<Filter>,
        panic: PanicGauge,
        connect_timeout: Duration,
    ) -> Self {
        let filter = wanted.borrow_and_update().clone();
        let next = cell.load().replica();
        Self {
            cell,
            // Whoever gives it may have read it before.
            subscription: subscription.unread(),
            factory,
            balancer,
            wanted,
            filter,
            panic,
            connect_timeout,
            seen: Snapshot::pending(),
            next,
            places: HashTable::new(),
            hasher: RandomState::new(),
            aside: HashMap::new(),
            dials: JoinSet::new(),
            dialing: HashMap::new(),
            queue: VecDeque::new(),
            retries: BTreeSet::new(),
            retired: VecDeque::new(),
            next_key: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut ended = false;
        loop {
            let retry_at = self.retries.first().map(|(at, _)| *at);
            tokio::select! {
                snapshot = self.subscription.changed(), if !ended => match snapshot {
                    Some(snapshot) => self.follow(snapshot),
                    None => ended = true,
                },
                Some(joined) = self.dials.join_next_with_id(), if !self.dials.is_empty() => {
                    self.joined(joined);
                    while let Some(joined) = self.dials.try_join_next_with_id() {
                        self.joined(joined);
                    }
                }
                () = sleep_until(retry_at), if retry_at.is_some() => self.retry(),
                Ok(()) = self.wanted.changed() => {
                    self.filter = self.wanted.borrow_and_update().clone();
                    self.judge_all();
                }
                () = tokio::time::sleep(RETIRE_EVERY), if !self.retired.is_empty() => {
                    self.retire();
                    continue;
                }
            }
            self.dial_more();
            self.publish();
        }
    }

    /// Takes over a new snapshot: its cost is that of what changed.
    fn follow(&mut self, snapshot: Snapshot) {
        let delta = Delta::between(&self.seen, &snapshot);
        self.next.freshness = snapshot.freshness().clone();
        self.next.basis = snapshot.basis().clone();
        self.seen = snapshot;
        for gone in &delta.removed {
            self.forget(gone.id());
        }
        for changed in &delta.changed {
            let moved = self.address_of(changed.id()).is_some_and(|address| address != *changed.address());
            if moved {
                // Another address is another service: the connection of the old one is of no use.
                self.forget(changed.id());
            }
        }
        if self.recount() {
            return self.judge_all();
        }
        self.admit(delta.changed);
        self.admit(delta.added);
    }

    /// Counts who is up; says whether panic began or ended.
    fn recount(&mut self) -> bool {
        if !self.panic.is_armed() {
            return false;
        }
        self.panic.count(self.seen.iter().map(|instance| &**instance), &self.filter);
        let panicking = self.panic.is_panicking();
        std::mem::replace(&mut self.next.panicking, panicking) != panicking
    }

    fn judge_all(&mut self) {
        self.recount();
        let everyone: Vec<_> = self.seen.iter().cloned().collect();
        self.admit(everyone);
    }

    /// Puts each where it belongs: among the members, or aside with the reason.
    fn admit(&mut self, instances: Vec<Arc<Instance>>) {
        let mut members = Vec::new();
        let mut services = Vec::new();
        for instance in instances {
            let why = left_out(&instance, &self.filter, self.next.panicking);
            match (self.place_of(instance.id()), why) {
                (Some(place), None) => self.refresh(place, instance),
                (Some(place), Some(why)) => {
                    if let Some(seat) = self.take_out(place) {
                        let aside = Aside { load: seat.load.share(), backoff: None, stage: Stage::Made(seat) };
                        self.aside.insert(instance.shared_id(), aside);
                    }
                    self.next.left_out.insert(instance.shared_id(), (instance, why));
                }
                (None, Some(why)) => {
                    let id = instance.shared_id();
                    self.aside_entry(&instance);
                    self.next.left_out.insert(id, (instance, why));
                }
                (None, None) => {
                    if let Some(seat) = self.connect(&instance) {
                        self.next.left_out.remove(instance.id());
                        members.push(Arc::new(Member::new(instance, &seat.load)));
                        services.push(seat);
                    }
                }
            }
        }
        let first_new = self.next.members.len();
        self.next.members.0.extend(members);
        self.next.services.extend(services);
        for place in first_new..self.next.members.len() {
            self.index(place);
        }
    }

    /// A service for `instance`, if there is one or the factory makes one at once; else it is being made.
    fn connect(&mut self, instance: &Arc<Instance>) -> Option<Arc<Seat<F::Service>>> {
        let id = instance.shared_id();
        let aside = self.aside_entry(instance);
        let load = aside.load.share();
        let why = match &aside.stage {
            Stage::Made(seat) => {
                let seat = Arc::clone(seat);
                self.aside.remove(&id);
                return Some(seat);
            }
            Stage::Unmade => match self.make(instance) {
                Connecting::Now(Ok(service)) => {
                    self.aside.remove(&id);
                    return Some(Arc::new(Seat { service, load }));
                }
                Connecting::Now(Err(error)) => self.failed(&id, error),
                Connecting::Later(dial) => {
                    self.stage(&id, Stage::Dialing);
                    if self.dials.len() < MAX_CONNECTING {
                        self.dial(load.key(), Arc::clone(&id), dial);
                    } else {
                        // Dropped unpolled, and made again when there is a free place.
                        self.stage(&id, Stage::Queued);
                        self.queue.push_back(Arc::clone(&id));
                    }
                    LeftOut::Connecting
                }
            },
            Stage::Queued | Stage::Dialing | Stage::Failed => match self.next.left_out.get(&id) {
                Some((_, why @ (LeftOut::Connecting | LeftOut::Unconnected(_)))) => why.clone(),
                _ => LeftOut::Connecting,
            },
        };
        self.next.left_out.insert(id, (Arc::clone(instance), why));
        None
    }

    /// Asks the factory; one that panics must not end the task that everyone depends on.
    fn make(&self, instance: &Arc<Instance>) -> Connecting<F::Service> {
        let make = AssertUnwindSafe(|| self.factory.make(Arc::clone(instance)));
        std::panic::catch_unwind(make).unwrap_or_else(|_| Connecting::Now(Err("the factory panicked".into())))
    }

    fn dial(
        &mut self,
        key: InstanceKey,
        id: Arc<str>,
        dial: impl Future<Output = Result<F::Service, BoxError>> + Send + 'static,
    ) {
        let limit = self.connect_timeout;
        let dial = self.dials.spawn(async move {
            match tokio::time::timeout(limit, dial).await {
                Ok(made) => made,
                Err(_) => Err(format!("no connection within {limit:?}").into()),
            }
        });
        self.dialing.insert(dial.id(), (key, id));
    }

    /// Takes over what a dial came to, if its instance is still there at the same address.
    fn joined(&mut self, joined: Joined<F::Service>) {
        let (dial, made) = match joined {
            Ok(joined) => joined,
            Err(panicked) => (panicked.id(), Err("the factory panicked".into())),
        };
        let Some((key, id)) = self.dialing.remove(&dial) else { return };
        match self.aside.get_mut(&id) {
            Some(aside) if aside.load.key() == key => match made {
                Ok(service) => {
                    aside.stage = Stage::Made(Arc::new(Seat { service, load: aside.load.share() }));
                    aside.backoff = None;
                }
                Err(error) => {
                    let why = self.failed(&id, error);
                    if let Some((_, present)) = self.next.left_out.get_mut(&id)
                        && matches!(present, LeftOut::Connecting | LeftOut::Unconnected(_))
                    {
                        *present = why;
                    }
                    return;
                }
            },
            _ => return,
        }
        if let Some(instance) = self.seen.get(&id).cloned() {
            self.admit(vec![instance]);
        }
    }

    /// Notes that no service could be made, and when to try again.
    fn failed(&mut self, id: &Arc<str>, error: BoxError) -> LeftOut {
        if let Some(aside) = self.aside.get_mut(id) {
            let delay = aside.backoff.get_or_insert_default().failed();
            aside.stage = Stage::Failed;
            self.retries.insert((Instant::now() + delay, Arc::clone(id)));
        }
        LeftOut::Unconnected(Error::unavailable("no connection to the instance").during("connect").with_source(error))
    }

    fn retry(&mut self) {
        let now = Instant::now();
        let mut again = Vec::new();
        while self.retries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.retries.pop_first() else { break };
            if matches!(self.aside.get(&id), Some(Aside { stage: Stage::Failed, .. })) {
                self.stage(&id, Stage::Unmade);
                again.extend(self.seen.get(&id).cloned());
            }
        }
        self.admit(again);
    }

    /// Fills the places that dials have left.
    fn dial_more(&mut self) {
        while self.dials.len() < MAX_CONNECTING {
            let Some(id) = self.queue.pop_front() else { break };
            if matches!(self.aside.get(&id), Some(Aside { stage: Stage::Queued, .. })) {
                self.stage(&id, Stage::Unmade);
                let instance = self.seen.get(&id).cloned();
                self.admit(instance.into_iter().collect());
            }
        }
    }

    /// Publishes what was prepared, with a new picker if the members changed.
    fn publish(&mut self) {
        self.next.connecting = self.dials.len() + self.queue.len();
        let present = self.cell.load();
        let same_members = self.next.members.0.is_same(&present.members.0);
        if !same_members {
            self.next.picker = self.balancer.picker(&self.next.members, Some(&present.picker));
        }
        drop(present);
        self.next.version += 1;
        let retired = self.cell.swap(self.next.replica());
        self.retired.push_back(retired);
        self.retire();
    }

    /// Frees the sets that nobody reads any more. They are freed here, so that no pick runs destructors.
    fn retire(&mut self) {
        self.retired.retain(|set| Arc::strong_count(set) > 1);
        while self.retired.len() > MOST_RETIRED {
            self.retired.pop_front();
        }
    }

    /// Forgets someone who is gone, and drops the service.
    fn forget(&mut self, id: &str) {
        self.next.left_out.remove(id);
        match self.place_of(id) {
            Some(place) => drop(self.take_out(place)),
            None => drop(self.aside.remove(id)),
        }
    }

    /// Gives the member at `place` a new instance of the same id and address.
    fn refresh(&mut self, place: usize, instance: Arc<Instance>) {
        let Some(member) = self.next.members.get(place) else { return };
        if !Arc::ptr_eq(member.instance(), &instance) {
            let refreshed = Arc::new(Member::new(instance, member.load()));
            self.next.members.0.set(place, refreshed);
        }
    }

    /// Takes a member out; the last takes its place.
    fn take_out(&mut self, place: usize) -> Option<Arc<Seat<F::Service>>> {
        let members = &self.next.members;
        let last = members.len().checked_sub(1)?;
        let (gone, moved) = (Arc::clone(members.get(place)?), Arc::clone(members.get(last)?));
        let seat = Arc::clone(self.next.services.get(place)?);
        let hash = |member: &Member| self.hasher.hash_one(member.instance().id());
        if let Ok(entry) = self.places.find_entry(hash(&gone), |at| *at as usize == place) {
            entry.remove();
        }
        if last != place
            && let Some(at) = self.places.find_mut(hash(&moved), |at| *at as usize == last)
        {
            *at = place as u32;
        }
        self.next.members.0.swap_remove(place);
        self.next.services.swap_remove(place);
        Some(seat)
    }

    fn place_of(&self, id: &str) -> Option<usize> {
        let is_it = |at: &u32| self.next.members.get(*at as usize).is_some_and(|member| member.instance().id() == id);
        self.places.find(self.hasher.hash_one(id), is_it).map(|at| *at as usize)
    }

    fn index(&mut self, place: usize) {
        let Self { places, hasher, next, .. } = self;
        let id_hash = |at: usize| next.members.get(at).map_or(0, |member| hasher.hash_one(member.instance().id()));
        places.insert_unique(id_hash(place), place as u32, |at| id_hash(*at as usize));
    }

    fn address_of(&self, id: &str) -> Option<crate::address::Address> {
        match self.place_of(id) {
            Some(place) => self.next.members.get(place).map(|member| member.instance().address().clone()),
            None => self.next.left_out.get(id).map(|(instance, _)| instance.address().clone()),
        }
    }

    fn aside_entry(&mut self, instance: &Arc<Instance>) -> &mut Aside<F::Service> {
        let next_key = &mut self.next_key;
        self.aside.entry(instance.shared_id()).or_insert_with(|| {
            *next_key += 1;
            let load = Load::new(InstanceKey(*next_key), Arc::clone(instance));
            Aside { load, backoff: None, stage: Stage::Unmade }
        })
    }

    fn stage(&mut self, id: &Arc<str>, stage: Stage<F::Service>) {
        if let Some(aside) = self.aside.get_mut(id) {
            aside.stage = stage;
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

impl<S> Endpoints<S> {
    /// The same set once more; what it holds is shared.
    fn replica(&self) -> Self {
        Self {
            members: self.members.clone(),
            services: self.services.clone(),
            picker: Arc::clone(&self.picker),
            freshness: self.freshness.clone(),
            basis: self.basis.clone(),
            left_out: self.left_out.clone(),
            connecting: self.connecting,
            panicking: self.panicking,
            clock: self.clock,
            version: self.version,
        }
    }
}
