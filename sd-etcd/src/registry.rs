//! etcd as a registry: what core supervises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    CatalogPublisher, Codec, Error, Grant, Lost, ProbeReport, Publisher, Randomness, Record, Registry, ServiceName,
    UnknownFields,
};
use tokio::runtime::Handle;

use crate::config::EtcdConfig;
use crate::error::NAME;
use crate::holdings::Holdings;
use crate::layout::Layout;
use crate::lease::Leases;
use crate::neighbours::Neighbours;
use crate::pool::Pool;

/// etcd as a registry.
#[derive(Debug)]
pub(crate) struct EtcdRegistry {
    pub(crate) pool: Arc<Pool>,
    pub(crate) layout: Layout,
    pub(crate) codec: Codec,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) leases: Leases,
    pub(crate) neighbours: Neighbours,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// How long a watch may be silent, and how long a sign of life may take.
    pub(crate) watch_check: (Duration, Duration),
    pub(crate) audit: Duration,
    ttl: Duration,
}

impl EtcdRegistry {
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub(crate) fn new(config: EtcdConfig, layout: Layout) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        let pool = Arc::new(Pool::of(&config));
        let holdings = Arc::new(Holdings::default());
        Ok(Self {
            leases: Leases::new(&config, runtime, Arc::clone(&pool), Arc::clone(&holdings)),
            pool,
            layout,
            codec: config.codec,
            holdings,
            neighbours: Neighbours::default(),
            randomness: config.connection.randomness,
            watch_check: (config.watch_check, config.watch_check_timeout),
            audit: config.audit,
            ttl: config.ttl,
        })
    }

    pub(crate) fn key(&self, record: &Record) -> Vec<u8> {
        self.layout.key(&record.service, record.instance.id())
    }
}

#[async_trait]
impl Registry for EtcdRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    fn carries_details(&self) -> bool {
        self.codec.carries_details()
    }

    fn check(&self, record: &Record) -> Result<(), Error> {
        self.layout.check(&record.service, record.instance.id())?;
        self.codec.encode(&record.instance, Some(&record.owner), &UnknownFields::default()).map(drop)
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
        self.probe_etcd().await
    }
}
