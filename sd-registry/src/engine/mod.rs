//! The engine: what is registered, for how long, and word of every change. No HTTP in it.

pub(crate) mod change;
pub(crate) mod clock;
pub(crate) mod draft;
pub(crate) mod entry;
pub(crate) mod hub;
pub(crate) mod lease;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod preservation;
pub(crate) mod stalls;
pub(crate) mod view;
pub(crate) mod watcher;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Error, ErrorKind, Owner, ServiceName, defaults};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::engine::clock::{Clock, millis};
use crate::engine::entry::Entry;
use crate::engine::lease::{Due, Lease, LeaseQueue};
use crate::engine::ledger::{
    AlwaysFresh, Condition, Following, Ledger, Put, Refusal, Registered, Removed, Renewal, Renewed, Update,
};
use crate::engine::limits::Limits;
use crate::engine::preservation::{Preservation, SelfPreservation};
use crate::engine::stalls::Stalls;
use crate::engine::view::View;
use crate::engine::watcher::Scope;
use crate::engine::writer::{Command, Reply, Writer};
use crate::metrics::Metrics;
use crate::store::{Loaded, Store};

/// So many acts wait to be taken up; then whoever asks waits too.
const WAITING: usize = 4_096;
/// So many renewals are looked up under one lock.
const RENEWALS_AT_ONCE: usize = 256;

/// How the engine behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) preservation: SelfPreservation,
    /// After a restart no lease lapses before so much time has passed.
    pub(crate) grace: Duration,
}

/// Keeps registrations in memory, and on disk where there is a store.
pub(crate) struct Engine {
    view: Arc<View>,
    clock: Clock,
    metrics: Arc<Metrics>,
    condition: Arc<Mutex<Condition>>,
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _stalls: Arc<Stalls>,
}

impl Engine {
    /// Starts with what was loaded. Its tasks end when it is dropped.
    pub(crate) fn start(store: Store, loaded: Loaded, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let clock = Clock::start();
        let now = clock.now();
        let mut leases = LeaseQueue::default();
        let mut next_lease = 0;
        let mut entries = Vec::with_capacity(loaded.entries.len());
        for found in loaded.entries {
            next_lease += 1;
            let lease = Lease::new(next_lease, found.ttl, now);
            lease.extend(now + millis(settings.grace));
            leases.add(Due { service: found.service.clone(), id: Arc::clone(&found.id), lease: Arc::clone(&lease) });
            entries.push(Arc::new(Entry {
                service: found.service,
                id: found.id,
                owner: found.owner,
                revision: found.revision,
                registered_at: found.registered_at,
                lease: Some(lease),
                instance: found.instance,
            }));
        }
        let view = Arc::new(View::new(loaded.epoch, loaded.revision, entries));
        let condition = Arc::new(Mutex::new(Condition { store: store.name(), trouble: None, preserving: None }));
        let (sender, commands) = mpsc::channel(WAITING);
        let stalls = Stalls::new(clock);
        tokio::spawn(Stalls::watch(Arc::downgrade(&stalls)));
        let writer = Writer {
            view: Arc::clone(&view),
            store,
            limits: settings.limits,
            clock,
            stalls: Arc::clone(&stalls),
            metrics: Arc::clone(&metrics),
            condition: Arc::clone(&condition),
            commands,
            leases,
            preservation: Preservation::new(settings.preservation),
            kept: BTreeMap::new(),
            next_lease,
        };
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        let commands = Mutex::new(Some(sender));
        Self { view, clock, metrics, condition, commands, writer, _stalls: stalls }
    }

    /// Has the writer do something, and waits for its answer.
    async fn act<T>(&self, command: impl FnOnce(Reply<T>) -> Command + Send) -> Result<T, Refusal>
    where
        T: Send,
    {
        let Some(commands) = lock(&self.commands).clone() else { return Err(closed()) };
        let (reply, answer) = oneshot::channel();
        let done = async {
            commands.send(command(reply)).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        };
        match tokio::time::timeout(defaults::REQUEST_TIMEOUT, done).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::Unavailable(Error::unavailable(format!(
                "the store has not answered within {:?}",
                defaults::REQUEST_TIMEOUT
            )))),
        }
    }
}

#[async_trait]
impl Ledger for Engine {
    fn view(&self) -> &Arc<View> {
        &self.view
    }

    async fn register(&self, put: Put) -> Result<Registered, Refusal> {
        self.act(|reply| Command::Register(put, reply)).await
    }

    async fn update(&self, update: Update) -> Result<u64, Refusal> {
        self.act(|reply| Command::Update(update, reply)).await
    }

    async fn deregister(&self, service: ServiceName, id: Arc<str>, owner: Option<Owner>) -> Result<Removed, Refusal> {
        self.act(|reply| Command::Deregister { service, id, owner, reply }).await
    }

    async fn drain(&self, service: ServiceName, id: Arc<str>) -> Result<u64, Refusal> {
        self.act(|reply| Command::Drain { service, id, reply }).await
    }

    fn renew(&self, renewals: &[Renewal<'_>]) -> Vec<Renewed> {
        let mut results = Vec::with_capacity(renewals.len());
        for chunk in renewals.chunks(RENEWALS_AT_ONCE) {
            let found = self.view.find(chunk.iter().map(|renewal| (renewal.service, renewal.id)));
            let now = self.clock.now();
            results.extend(chunk.iter().zip(found).map(|(renewal, entry)| match entry {
                Some(entry) if entry.owner.as_str() != renewal.owner => Renewed::Superseded,
                Some(entry) if entry.lease.as_ref().is_some_and(|lease| lease.renew(now)) => Renewed::Ok,
                _ => Renewed::Gone,
            }));
        }
        let renewed = results.iter().filter(|result| **result == Renewed::Ok).count();
        self.metrics.renewed.add(renewed);
        self.metrics.renewals_refused.add(results.len() - renewed);
        results
    }

    fn expires_in(&self, entry: &Entry) -> Option<u64> {
        entry.lease.as_ref().map(|lease| lease.deadline().saturating_sub(self.clock.now()))
    }

    async fn follow(&self, _scope: &Scope) -> Result<Following, Refusal> {
        Ok(Box::new(AlwaysFresh))
    }

    fn condition(&self) -> Condition {
        let mut condition = lock(&self.condition).clone();
        if let Some((since, _)) = &mut condition.preserving {
            *since = self.clock.now().saturating_sub(*since);
        }
        condition
    }

    async fn close(&self) {
        drop(lock(&self.commands).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            // It ends when all that was sent is done; a panic in it has been reported already.
            drop(writer.await);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Refusal {
    Refusal::Unavailable(Error::new(ErrorKind::Closed, "the centre is stopping"))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("view", &self.view.counts()).finish_non_exhaustive()
    }
}
