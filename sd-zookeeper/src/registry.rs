//! ZooKeeper as a registry: what core supervises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    CatalogPublisher, Codec, Error, Grant, Lost, ProbeReport, Publisher, Randomness, Record, Registry, ServiceName,
    UnknownFields,
};
use tokio::runtime::Handle;
use zookeeper_client::Acls;

use crate::config::{NodeAccess, WatchMode, ZooKeeperConfig};
use crate::error::{Failure, NAME};
use crate::holdings::Holdings;
use crate::neighbours::Neighbours;
use crate::paths::Paths;
use crate::sessions::Sessions;

/// ZooKeeper as a registry.
#[derive(Debug)]
pub(crate) struct ZooKeeperRegistry {
    pub(crate) sessions: Sessions,
    pub(crate) paths: Paths,
    pub(crate) codec: Codec,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) neighbours: Neighbours,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) audit: Duration,
    access: NodeAccess,
    one_shot: AtomicBool,
    ttl: Duration,
}

impl ZooKeeperRegistry {
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub(crate) fn new(config: ZooKeeperConfig, paths: Paths) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        let holdings = Arc::new(Holdings::default());
        Ok(Self {
            sessions: Sessions::new(&config, Arc::clone(&holdings), runtime),
            paths,
            codec: config.codec,
            holdings,
            neighbours: Neighbours::default(),
            randomness: config.connection.randomness,
            audit: config.audit,
            access: config.acl,
            one_shot: AtomicBool::new(config.watches == WatchMode::OneShot),
            ttl: config.session,
        })
    }

    pub(crate) fn path(&self, record: &Record) -> String {
        self.paths.node(&record.service, record.instance.id())
    }

    pub(crate) fn acls(&self) -> Acls<'static> {
        match self.access {
            NodeAccess::World => Acls::anyone_all(),
            NodeAccess::Creator => Acls::creator_all(),
        }
    }

    /// Whether the server knows one-shot watches alone, and no reads of many nodes: it is older than 3.6.
    pub(crate) fn one_shot(&self) -> bool {
        self.one_shot.load(Ordering::Relaxed)
    }

    /// Draws the conclusion from a request that the server does not know. (Such a server breaks the connection with its
    /// answer, so the request is made in the other way by the next session.)
    pub(crate) fn learned(&self, mut failure: Failure) -> Failure {
        if failure.is_unknown_request() && !self.one_shot.swap(true, Ordering::Relaxed) {
            tracing::info!("this ZooKeeper is older than 3.6: one-shot watches, and nodes read one by one");
            failure.error = failure.error.with_retryable(true);
        }
        failure
    }
}

#[async_trait]
impl Registry for ZooKeeperRegistry {
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
        self.paths.check(&record.service)?;
        self.codec.encode(&record.instance, Some(&record.owner), &UnknownFields::default()).map(drop)
    }

    async fn put(&self, record: &Record, prior: Option<&Grant>) -> Result<Grant, Error> {
        self.put_record(record, prior).await
    }

    async fn held(&self, record: &Record, grant: &Grant) -> Lost {
        self.hold_record(record, grant).await
    }

    async fn update(&self, record: &Record, grant: &Grant) -> Result<(), Error> {
        self.update_record(record, grant).await
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
        self.probe_zookeeper().await
    }
}
