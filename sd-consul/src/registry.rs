//! Consul as a registry: what core supervises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    CatalogPublisher, Error, Grant, Lost, ProbeReport, Publisher, Randomness, Record, Registry, ServiceName,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::client::{Client, Reading, SharedClient};
use crate::config::ConsulConfig;
use crate::error::NAME;
use crate::heartbeat::Heartbeat;
use crate::holdings::Holdings;
use crate::layout::Layout;
use crate::sentinel::Sentinel;
use crate::turns::Turns;

/// Consul as a registry.
#[derive(Debug)]
pub(crate) struct ConsulRegistry {
    pub(crate) client: SharedClient,
    pub(crate) layout: Layout,
    pub(crate) reading: Reading,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) turns: Arc<Turns>,
    randomness: Arc<dyn Randomness>,
    request_timeout: Duration,
    runtime: Handle,
    /// Keeps what is registered; started by the first registration, ended with this.
    keeping: Mutex<Option<JoinHandle<()>>>,
}

impl ConsulRegistry {
    /// # Errors
    /// `Config` outside a tokio runtime, and for a token that can't be sent.
    pub(crate) fn new(config: &ConsulConfig) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        Ok(Self {
            client: Arc::new(Client::of(config)?),
            layout: Layout { check: config.check.clone(), ttl: config.ttl, warning_weight: config.warning_weight },
            reading: Reading::of(config),
            holdings: Arc::default(),
            turns: Arc::default(),
            randomness: Arc::clone(&config.connection.randomness),
            request_timeout: config.request_timeout,
            runtime,
            keeping: Mutex::default(),
        })
    }

    /// Starts to keep what is registered, unless that has been started.
    pub(crate) fn keep(&self) {
        let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if keeping.is_some() {
            return;
        }
        let hurry = Arc::new(Notify::new());
        let heartbeat = Heartbeat {
            client: Arc::clone(&self.client),
            holdings: Arc::clone(&self.holdings),
            turns: Arc::clone(&self.turns),
            randomness: Arc::clone(&self.randomness),
            ttl: self.layout.ttl,
            request_timeout: self.request_timeout,
            renews: self.layout.is_kept_by_us(),
            hurry: Arc::clone(&hurry),
        };
        let sentinel = Sentinel {
            client: Arc::clone(&self.client),
            holdings: Arc::clone(&self.holdings),
            randomness: Arc::clone(&self.randomness),
            wait: self.reading.wait,
            hurry,
        };
        *keeping = Some(self.runtime.spawn(async move {
            tokio::join!(heartbeat.run(), sentinel.run());
        }));
    }
}

impl Drop for ConsulRegistry {
    fn drop(&mut self) {
        if let Some(task) = self.keeping.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

#[async_trait]
impl Registry for ConsulRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ttl(&self) -> Duration {
        self.layout.ttl
    }

    fn carries_details(&self) -> bool {
        true
    }

    fn check(&self, record: &Record) -> Result<(), Error> {
        self.layout.definition(record).map(drop)
    }

    async fn put(&self, record: &Record, prior: Option<&Grant>) -> Result<Grant, Error> {
        self.put_record(record, prior.is_some()).await
    }

    async fn held(&self, record: &Record, _grant: &Grant) -> Lost {
        self.hold_record(record).await
    }

    async fn update(&self, record: &Record, _grant: &Grant) -> Result<(), Error> {
        self.update_record(record).await
    }

    async fn remove(&self, record: &Record) -> Result<(), Error> {
        self.remove_record(record).await
    }

    async fn watch(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        self.watch_service(service, publisher).await
    }

    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        self.list_services().await
    }

    async fn watch_services(&self, publisher: &CatalogPublisher) -> Error {
        self.watch_catalog(publisher).await
    }

    async fn drain(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.drain_instance(service, id).await
    }

    async fn deregister(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.deregister_instance(service, id).await
    }

    async fn probe(&self) -> Result<ProbeReport, Error> {
        self.probe_agent().await
    }
}
