//! A registry under supervision: what makes a [`Registry`] a full backend.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admin::Admin;
use crate::backoff::Backoff;
use crate::catalog::{Catalog, CatalogPublisher, CatalogSubscription};
use crate::codec::Owner;
use crate::connection_settings::ConnectionSettings;
use crate::error::Error;
use crate::instancer::Instancer;
use crate::keeper::Keeper;
use crate::outage::{ConnectionCounters, Outage};
use crate::pause::watch_for_pauses;
use crate::probe::{Probe, ProbeReport};
use crate::publisher::Publisher;
use crate::randomness::Randomness;
use crate::registrar::{Registrar, Registration, RegistrationState};
use crate::registration::RegistrationHandle;
use crate::registry::{Grant, Record, Registry};
use crate::service::ServiceName;
use crate::staleness::StalenessPolicy;
use crate::subscription::Subscription;
use crate::watcher::{CatalogWatch, ServiceWatch, Supervision, Watched, keep_watching};

/// How many updates of one handle may wait to be taken up.
const COMMANDS_WAITING: usize = 16;

/// A registry under supervision: keeps registrations and watches alive, and shares watches. A clone is the same one.
///
/// It lives as long as a clone, a subscription or a registration does; then all its tasks end.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Arc<dyn Registry>,
    runtime: Handle,
    staleness: StalenessPolicy,
    linger: Duration,
    backoff: Backoff,
    randomness: Arc<dyn Randomness>,
    outage: Arc<Outage>,
    pauses: watch::Receiver<u64>,
    pause_task: JoinHandle<()>,
    watches: Mutex<Watches>,
}

#[derive(Default)]
struct Watches {
    services: HashMap<ServiceName, (Publisher, JoinHandle<()>)>,
    catalog: Option<(CatalogPublisher, JoinHandle<()>)>,
}

/// Makes a [`Connection`]. Each setting has a default that suits production.
#[derive(Debug)]
pub struct ConnectionBuilder {
    registry: Arc<dyn Registry>,
    settings: ConnectionSettings,
}

impl ConnectionBuilder {
    crate::connection_setters!(settings);

    /// All settings at once, as a backend's configuration holds them.
    #[must_use]
    pub fn settings(mut self, settings: ConnectionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The connection. It uses the runtime that this is called in, from wherever it is used later.
    ///
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub fn build(self) -> Result<Connection, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        let outage = Arc::new(Outage::default());
        let (sender, pauses) = watch::channel(0);
        let pause_task = runtime.spawn(watch_for_pauses(self.registry.ttl(), Arc::clone(&outage), sender));
        let backoff = self.settings.backoff();
        Ok(Connection {
            inner: Arc::new(Inner {
                registry: self.registry,
                runtime,
                staleness: self.settings.staleness,
                linger: self.settings.linger,
                backoff,
                randomness: self.settings.randomness,
                outage,
                pauses,
                pause_task,
                watches: Mutex::default(),
            }),
        })
    }
}

impl Connection {
    /// Puts `registry` under supervision.
    pub fn builder(registry: Arc<dyn Registry>) -> ConnectionBuilder {
        ConnectionBuilder { registry, settings: ConnectionSettings::default() }
    }

    /// What it has gone through.
    #[must_use]
    pub fn counters(&self) -> ConnectionCounters {
        self.inner.outage.counters()
    }

    /// How many services are being watched now, lingering ones included.
    #[must_use]
    pub fn watched_services(&self) -> usize {
        self.inner.watches().services.len()
    }

    fn start(&self, registration: Registration) -> Result<RegistrationHandle, Error> {
        let inner = &self.inner;
        let (service, instance) = registration.validated()?;
        let owner = Owner::random(&*inner.randomness);
        let record = Record::new(service.clone(), Arc::new(instance), owner);
        inner.registry.check(&record)?;
        let initial = RegistrationState::Retrying { since: Instant::now().into_std(), error: None };
        let (state, watched) = watch::channel(initial);
        let (sender, commands) = mpsc::channel(COMMANDS_WAITING);
        let id = record.instance.shared_id();
        let keeper = Keeper {
            registry: Arc::clone(&inner.registry),
            record,
            state,
            commands,
            backoff: inner.backoff.clone(),
            pauses: inner.pauses.clone(),
            outage: Arc::clone(&inner.outage),
            returns: inner.outage.returns(),
            has_hurried: false,
            waiting: Vec::new(),
            grant: Grant { token: 0, ttl: None, warning: None },
        };
        // Ends when the handle, which holds the sender, is gone.
        inner.runtime.spawn(keeper.run());
        Ok(RegistrationHandle { service, id, commands: sender, state: watched, _connection: self.keep() })
    }

    fn keep(&self) -> Arc<Inner> {
        Arc::clone(&self.inner)
    }
}

impl Inner {
    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn supervision(&self) -> Supervision {
        Supervision {
            registry: Arc::clone(&self.registry),
            backoff: self.backoff.clone(),
            pauses: self.pauses.clone(),
            outage: Arc::clone(&self.outage),
            linger: self.linger,
        }
    }

    fn watch<W: Watched>(
        self: &Arc<Self>,
        watched: W,
        forget: impl Fn(&mut Watches, &W) -> bool + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let supervision = self.supervision();
        let table: Weak<Self> = Arc::downgrade(self);
        self.runtime.spawn(async move {
            let forget = || table.upgrade().is_none_or(|inner| forget(&mut inner.watches(), &watched));
            keep_watching(&watched, supervision, forget).await;
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pause_task.abort();
        let watches = self.watches.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, task) in watches.services.values() {
            task.abort();
        }
        if let Some((_, task)) = &watches.catalog {
            task.abort();
        }
    }
}

impl Instancer for Connection {
    fn subscribe(&self, service: &ServiceName) -> Subscription {
        let mut watches = self.inner.watches();
        if let Some((publisher, _)) = watches.services.get(service) {
            return publisher.subscribe().keeping(self.keep());
        }
        let publisher = Publisher::new(self.inner.staleness.clone(), self.inner.registry.ttl());
        let subscription = publisher.subscribe().keeping(self.keep());
        let watched = ServiceWatch { service: service.clone(), publisher: publisher.clone() };
        let task = self.inner.watch(watched, |watches, watched| {
            let unread = watched.publisher.subscribers() == 0;
            if unread {
                watches.services.remove(&watched.service);
            }
            unread
        });
        watches.services.insert(service.clone(), (publisher, task));
        subscription
    }
}

#[async_trait]
impl Registrar for Connection {
    async fn register(&self, registration: Registration) -> Result<RegistrationHandle, Error> {
        let mut handle = self.start(registration)?;
        handle.accepted().await?;
        Ok(handle)
    }

    fn register_in_background(&self, registration: Registration) -> Result<RegistrationHandle, Error> {
        self.start(registration)
    }
}

#[async_trait]
impl Catalog for Connection {
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        self.inner.registry.services().await
    }

    fn subscribe_services(&self) -> CatalogSubscription {
        let mut watches = self.inner.watches();
        if let Some((publisher, _)) = &watches.catalog {
            return publisher.subscribe().keeping(self.keep());
        }
        let publisher = CatalogPublisher::default();
        let subscription = publisher.subscribe().keeping(self.keep());
        let task = self.inner.watch(CatalogWatch(publisher.clone()), |watches, watched| {
            let unread = watched.0.subscribers() == 0;
            if unread {
                watches.catalog = None;
            }
            unread
        });
        watches.catalog = Some((publisher, task));
        subscription
    }
}

#[async_trait]
impl Admin for Connection {
    async fn drain(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.inner.registry.drain(service, id).await
    }

    async fn deregister(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.inner.registry.deregister(service, id).await
    }
}

#[async_trait]
impl Probe for Connection {
    async fn probe(&self) -> Result<ProbeReport, Error> {
        self.inner.registry.probe().await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("registry", &self.inner.registry).finish_non_exhaustive()
    }
}
