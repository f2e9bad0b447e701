//! What this front has registered, each for as long as its registrant renews.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sd_core::{Owner, RegistrationHandle, RegistrationState, ServiceName};

use crate::engine::clock::{Clock, Millis, millis};
use crate::engine::lease::{Due, Lease, LeaseQueue};
use crate::engine::ledger::{Renewal, Renewed};
use crate::engine::stalls::Stalls;
use crate::metrics::Metrics;

/// Lapsed registrations are looked for this often.
const LOOK: Duration = Duration::from_millis(250);

/// The registrations that this front keeps in the backend. Each has a lease of its own here, which its registrant
/// renews: when it lapses, the entry is taken away, however long the backend would keep it.
pub(crate) struct Holdings {
    clock: Clock,
    stalls: Arc<Stalls>,
    arrivals: AtomicU64,
    kept: Mutex<Kept>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Kept {
    services: HashMap<ServiceName, HashMap<Arc<str>, Holding>>,
    leases: LeaseQueue,
    next_lease: u64,
    count: usize,
}

struct Holding {
    owner: Owner,
    /// When its request came: the newest registrant wins, whichever is accepted first.
    arrival: u64,
    lease: Arc<Lease>,
    handle: Arc<RegistrationHandle>,
}

impl Holdings {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        let clock = Clock::start();
        let stalls = Stalls::new(clock);
        Arc::new(Self { clock, stalls, arrivals: AtomicU64::new(0), kept: Mutex::default(), metrics })
    }

    /// A request's place in the order in which requests came.
    pub(crate) fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.kept().count
    }

    /// Who holds an id here; not one whom the backend knows to be superseded.
    pub(crate) fn owner(&self, service: &ServiceName, id: &str) -> Option<Owner> {
        let kept = self.kept();
        kept.get(service, id).filter(|holding| is_kept(&holding.handle)).map(|holding| holding.owner.clone())
    }

    /// The handle of this owner's own registration, renewed; `None` where there is none that could still be changed.
    pub(crate) fn renewed(&self, service: &ServiceName, id: &str, owner: &Owner) -> Option<Arc<RegistrationHandle>> {
        let kept = self.kept();
        let holding = kept.get(service, id).filter(|holding| holding.owner == *owner)?;
        let usable = is_kept(&holding.handle) && holding.lease.renew(self.clock.now());
        usable.then(|| Arc::clone(&holding.handle))
    }

    /// As [`renewed`](Self::renewed), where the TTL is this one.
    pub(crate) fn renewing(
        &self,
        service: &ServiceName,
        id: &str,
        owner: &Owner,
        ttl: Duration,
    ) -> Option<Arc<RegistrationHandle>> {
        let same_ttl = self.kept().get(service, id).is_some_and(|holding| holding.lease.ttl == ttl);
        if same_ttl { self.renewed(service, id, owner) } else { None }
    }

    /// Keeps a registration, unless one that was asked for later is kept already; what it replaces is let go, which
    /// takes away nothing but its own entry.
    pub(crate) fn keep(
        &self,
        arrival: u64,
        service: &ServiceName,
        id: &Arc<str>,
        owner: &Owner,
        ttl: Duration,
        handle: RegistrationHandle,
    ) -> bool {
        let mut kept = self.kept();
        if kept.get(service, id).is_some_and(|present| present.arrival > arrival) {
            return false;
        }
        kept.next_lease += 1;
        let lease = Lease::new(kept.next_lease, ttl, self.clock.now());
        let due = Due { service: service.clone(), id: Arc::clone(id), lease: Arc::clone(&lease) };
        let replaced = kept.take(service, id);
        kept.leases.add(due);
        let holding = Holding { owner: owner.clone(), arrival, lease, handle: Arc::new(handle) };
        kept.services.entry(service.clone()).or_default().insert(Arc::clone(id), holding);
        kept.count += 1;
        drop(kept);
        drop(replaced);
        true
    }

    /// Takes a registration out; `None` where somebody is changing it this moment: it is taken back when that is done.
    pub(crate) fn release(&self, service: &ServiceName, id: &str) -> Option<RegistrationHandle> {
        let taken = self.kept().take(service, id)?;
        Arc::into_inner(taken.handle)
    }

    pub(crate) fn renew(&self, renewal: &Renewal<'_>) -> Renewed {
        let kept = self.kept();
        let Some(holding) = kept.services.get(renewal.service).and_then(|ids| ids.get(renewal.id)) else {
            return Renewed::Gone;
        };
        if holding.owner.as_str() != renewal.owner || holding.handle.state().is_superseded() {
            return Renewed::Superseded;
        }
        let renewed = is_kept(&holding.handle) && holding.lease.renew(self.clock.now());
        if renewed { Renewed::Ok } else { Renewed::Gone }
    }

    /// Milliseconds until an entry lapses, where this front keeps it.
    pub(crate) fn expires_in(&self, service: &ServiceName, id: &str, owner: &Owner) -> Option<Millis> {
        let kept = self.kept();
        let holding = kept.get(service, id).filter(|holding| holding.owner == *owner)?;
        Some(holding.lease.deadline().saturating_sub(self.clock.now()))
    }

    /// Takes away what is not renewed, until these holdings are gone.
    pub(crate) async fn end_lapsed(holdings: Weak<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(holdings) = holdings.upgrade() else { return };
            holdings.look();
        }
    }

    /// Keeps what is kept for as long as it was renewed, though nobody can renew it any more.
    pub(crate) fn outlive(holdings: &Arc<Self>) {
        let holdings = Arc::clone(holdings);
        tokio::spawn(async move {
            while holdings.len() > 0 {
                tokio::time::sleep(LOOK).await;
                holdings.look();
            }
        });
    }

    fn look(&self) {
        let stalled = self.stalls.observe();
        let now = self.clock.now();
        let mut ended = Vec::new();
        let mut kept = self.kept();
        for due in kept.leases.lapsed(now) {
            if stalled > 0 {
                // Nobody could renew while this process stood still.
                due.lease.extend(stalled.saturating_add(millis(due.lease.ttl)));
            }
            if !due.lease.end(now) {
                kept.leases.add(due);
                continue;
            }
            if kept.get(&due.service, &due.id).is_some_and(|holding| holding.lease.serial == due.lease.serial) {
                ended.extend(kept.take(&due.service, &due.id));
            }
        }
        drop(kept);
        self.metrics.expired.add(ended.len());
        // A handle that is dropped takes its entry away, and that alone.
        drop(ended);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&self, service: &ServiceName, id: &str) -> Option<&Holding> {
        self.services.get(service)?.get(id)
    }

    fn take(&mut self, service: &ServiceName, id: &str) -> Option<Holding> {
        let ids = self.services.get_mut(service)?;
        let taken = ids.remove(id)?;
        if ids.is_empty() {
            self.services.remove(service);
        }
        self.count -= 1;
        self.leases.remove(&taken.lease);
        Some(taken)
    }
}

/// Whether its keeper still does what it is for.
fn is_kept(handle: &RegistrationHandle) -> bool {
    matches!(handle.state(), RegistrationState::Registered { .. } | RegistrationState::Retrying { .. })
}

impl fmt::Debug for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holdings").field("count", &self.len()).finish_non_exhaustive()
    }
}
