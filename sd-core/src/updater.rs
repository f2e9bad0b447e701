//! The task behind an endpointer: follows the instances, makes services, publishes sets, retires old ones.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;

use crate::admission::{PanicGauge, left_out};
use crate::backoff::Backoff;
use crate::balancer::Balancer;
use crate::cell::EndpointCell;
use crate::delta::Delta;
use crate::endpoints::{Endpoints, Seat};
use crate::error::BoxError;
use crate::factory::Factory;
use crate::filter::Filter;
use crate::instance::Instance;
use crate::load::{InstanceKey, Load};
use crate::members::Member;
use crate::snapshot::Snapshot;
use crate::subscription::Subscription;

mod dialing;
mod losing;
mod places;

/// How often retired sets are looked at while there are any: a reader holds one for nanoseconds.
const RETIRE_EVERY: Duration = Duration::from_millis(5);
/// So many retired sets are kept for readers that stand still inside a pick; beyond it the reader frees its set itself.
const MOST_RETIRED: usize = 1024;

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
    /// Services that tell of their loss, and whose they are.
    watches: JoinSet<BoxError>,
    watching: HashMap<task::Id, losing::Watched>,
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
            watches: JoinSet::new(),
            watching: HashMap::new(),
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
                Some(joined) = self.watches.join_next_with_id(), if !self.watches.is_empty() => {
                    self.lost(joined);
                    while let Some(joined) = self.watches.try_join_next_with_id() {
                        self.lost(joined);
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
