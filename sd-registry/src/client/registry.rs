//! The centre as a registry: what core supervises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    CatalogPublisher, Error, Grant, Lost, ProbeReport, Publisher, Randomness, Record, Registry, ServiceName,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::config::RegistryConfig;
use super::error::NAME;
use super::heartbeat::Heartbeat;
use super::holdings::Holdings;
use super::pool::Pool;
use super::register::encoded;

/// The centre as a registry.
#[derive(Debug)]
pub(crate) struct CentreRegistry {
    pub(crate) pool: Arc<Pool>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) ttl: Duration,
    /// How long a watch may be silent.
    pub(crate) silence: Duration,
    randomness: Arc<dyn Randomness>,
    runtime: Handle,
    /// Begun with the first registration.
    heartbeat: Mutex<Option<JoinHandle<()>>>,
}

impl CentreRegistry {
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub(crate) fn new(config: &RegistryConfig) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        Ok(Self {
            pool: Arc::new(Pool::of(config, runtime.clone())),
            holdings: Arc::default(),
            ttl: config.ttl,
            silence: config.silence,
            randomness: Arc::clone(&config.connection.randomness),
            runtime,
            heartbeat: Mutex::default(),
        })
    }

    /// Starts the heartbeats, unless they have been started.
    pub(crate) fn keep_beating(&self) {
        let mut heartbeat = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        if heartbeat.is_none() {
            let beats = Heartbeat {
                pool: Arc::clone(&self.pool),
                holdings: Arc::clone(&self.holdings),
                ttl: self.ttl,
                randomness: Arc::clone(&self.randomness),
            };
            *heartbeat = Some(self.runtime.spawn(beats.run()));
        }
    }
}

impl Drop for CentreRegistry {
    fn drop(&mut self) {
        if let Some(heartbeat) = self.heartbeat.get_mut().unwrap_or_else(PoisonError::into_inner) {
            heartbeat.abort();
        }
    }
}

#[async_trait]
impl Registry for CentreRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    fn carries_details(&self) -> bool {
        true
    }

    fn check(&self, record: &Record) -> Result<(), Error> {
        encoded(record, "register").map(drop)
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
        self.probe_centre().await
    }
}
