//! The lease that the registrations of a connection share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_core::{Error, Randomness, SingleFlight};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::EtcdConfig;
use crate::dial::Session;
use crate::heartbeat::Heartbeat;
use crate::holdings::Holdings;
use crate::pool::Pool;

/// How many keys hang on one lease. The list of them, which each heartbeat reads, must fit into the 4 MiB that
/// etcd-client decodes of it: a key is prefix, service (128 bytes) and id (256 bytes) at most.
const MAX_KEYS: usize = 4_000;

/// A lease, for as long as it is kept alive.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: i64,
    /// As granted.
    pub(crate) ttl: Duration,
    /// When it was asked for: from then on it lives for at least its TTL.
    pub(crate) granted: Instant,
    lost: watch::Sender<Option<Error>>,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    closed: bool,
}

impl Lease {
    pub(crate) fn new(id: i64, ttl: Duration, granted: Instant) -> Self {
        Self { id, ttl, granted, lost: watch::Sender::new(None), places: Mutex::default() }
    }

    /// Why it is lost, if it is.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.lost.borrow().clone()
    }

    /// Lasts until it is lost. Cancel safe.
    pub(crate) async fn until_lost(&self) -> Error {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or_else(|| Error::unavailable("the lease is lost")),
            Err(_) => Error::unavailable("the lease is lost"),
        }
    }

    /// Says that it is lost; the first reason stands.
    pub(crate) fn lose(&self, error: Error) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                *lost = Some(error);
            }
            first
        });
    }

    /// Makes room for one more key, unless it is lost, closed or full.
    pub(crate) fn take_place(&self) -> bool {
        let mut places = self.places();
        let taken = !places.closed && places.taken < MAX_KEYS && self.lost.borrow().is_none();
        places.taken += usize::from(taken);
        taken
    }

    pub(crate) fn give_place(&self) {
        let mut places = self.places();
        places.taken = places.taken.saturating_sub(1);
    }

    /// Takes no key any more, if it has none now; says so.
    pub(crate) fn close_if_unused(&self) -> bool {
        let mut places = self.places();
        places.closed = places.taken == 0;
        places.closed
    }

    fn is_open(&self) -> bool {
        let places = self.places();
        !places.closed && places.taken < MAX_KEYS && self.lost.borrow().is_none()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn places_taken(&self) -> usize {
        self.places().taken
    }
}

/// Grants leases, one at a time for all who register, and keeps them alive: a task each, ended when this is dropped.
///
/// Dropping it also gives the leases back, as a best effort.
#[derive(Debug)]
pub(crate) struct Leases {
    pool: Arc<Pool>,
    holdings: Arc<Holdings>,
    ttl: Duration,
    randomness: Arc<dyn Randomness>,
    runtime: Handle,
    current: SingleFlight<Lease>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    heartbeats: JoinSet<()>,
    leases: Vec<Arc<Lease>>,
}

impl Leases {
    pub(crate) fn new(config: &EtcdConfig, runtime: Handle, pool: Arc<Pool>, holdings: Arc<Holdings>) -> Self {
        Self {
            pool,
            holdings,
            ttl: config.ttl,
            randomness: Arc::clone(&config.connection.randomness),
            runtime,
            current: SingleFlight::default(),
            kept: Mutex::default(),
        }
    }

    /// A lease that takes keys: the present one, or a new one when that is lost or full.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<Arc<Lease>, Error> {
        loop {
            let lease = self.current.get(|| self.grant(deadline)).await?;
            if lease.is_open() {
                self.keep(&lease);
                return Ok(lease);
            }
            self.current.give_up(&lease);
        }
    }

    async fn grant(&self, deadline: Instant) -> Result<Lease, Error> {
        let seconds = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let granted = Instant::now();
        let grant = |session: Arc<Session>| async move { session.lease().grant(seconds, None).await };
        let answer = self.pool.call(deadline, "register", grant).await.map_err(|failure| failure.error)?;
        let ttl = Duration::from_secs(u64::try_from(answer.ttl()).unwrap_or_default()).max(Duration::from_secs(1));
        Ok(Lease::new(answer.id(), ttl, granted))
    }

    /// Starts the heartbeats of a lease, unless they have been started.
    fn keep(&self, lease: &Arc<Lease>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.leases.iter().any(|kept| Arc::ptr_eq(kept, lease)) {
            return;
        }
        while kept.heartbeats.try_join_next().is_some() {}
        kept.leases.retain(|lease| lease.lost().is_none());
        kept.leases.push(Arc::clone(lease));
        let heartbeat = Heartbeat::new(
            Arc::clone(lease),
            Arc::clone(&self.pool),
            Arc::clone(&self.holdings),
            Arc::clone(&self.randomness),
        );
        kept.heartbeats.spawn_on(heartbeat.run(), &self.runtime);
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.heartbeats.abort_all();
        let leases: Vec<_> = kept.leases.drain(..).filter(|lease| lease.lost().is_none()).collect();
        if leases.is_empty() {
            return;
        }
        let pool = Arc::clone(&self.pool);
        // Nobody is left to own this; it ends by itself within the request timeout.
        self.runtime.spawn(async move {
            let deadline = pool.deadline();
            for lease in leases {
                revoke(&pool, &lease, deadline).await;
            }
        });
    }
}

/// Gives a lease back, as a best effort: it ends by itself when its TTL has passed.
pub(crate) async fn revoke(pool: &Pool, lease: &Lease, deadline: Instant) {
    let id = lease.id;
    let revoked = pool.call(deadline, "deregister", |session| async move { session.lease().revoke(id).await }).await;
    if let Err(failure) = revoked {
        tracing::debug!(error = %failure.error, "a lease could not be given back; it ends by itself");
    }
}
