//! The push protocol as a registry: what core supervises.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Address, CatalogPublisher, Error, Grant, Lost, ProbeReport, Publisher, Record, Registry, ServiceName};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::centre::Centre;
use super::config::PushConfig;
use super::listener::{Listener, OpenFeed};

/// A centre that is told by `POST`, and tells by `POST`.
#[derive(Debug)]
pub(crate) struct PushRegistry {
    pub(crate) centre: Centre,
    pub(crate) listener: Listener,
    pub(crate) requires: Vec<ServiceName>,
    pub(crate) silence: Duration,
    pub(crate) runtime: Option<Handle>,
    held: Mutex<HashMap<String, OpenFeed>>,
    /// What the newest registration is told: the services that it requires.
    pub(crate) own: watch::Sender<Option<Arc<super::feed::Feed>>>,
}

impl PushRegistry {
    pub(crate) fn new(config: PushConfig, listener: Listener) -> Self {
        Self {
            centre: Centre { authority: config.centre },
            listener,
            requires: config.requires,
            silence: config.silence,
            runtime: Handle::try_current().ok(),
            held: Mutex::default(),
            own: watch::Sender::new(None),
        }
    }

    fn held_feeds(&self) -> MutexGuard<'_, HashMap<String, OpenFeed>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the article's programs call.
fn url_of(address: &Address) -> String {
    address.as_url().map_or_else(|| format!("http://{}", address.authority()), str::to_owned)
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("article 001's protocol can't {what}")).with_backend("push")
}

#[async_trait]
impl Registry for PushRegistry {
    fn name(&self) -> &'static str {
        "push"
    }

    fn ttl(&self) -> Duration {
        self.silence
    }

    fn carries_details(&self) -> bool {
        false
    }

    fn check(&self, _record: &Record) -> Result<(), Error> {
        Ok(())
    }

    async fn put(&self, record: &Record, _prior: Option<&Grant>) -> Result<Grant, Error> {
        let url = url_of(record.instance.address());
        let open = self.listener.open();
        self.centre.register(record.service.as_str(), &url, &self.requires, &open).await?;
        let token = open.feed.number;
        self.own.send_replace(Some(Arc::clone(&open.feed)));
        self.held_feeds().insert(url, open);
        Ok(Grant { token, ttl: Some(self.silence), warning: None })
    }

    async fn held(&self, record: &Record, grant: &Grant) -> Lost {
        let url = url_of(record.instance.address());
        let feed = self.held_feeds().get(&url).map(|open| Arc::clone(&open.feed));
        let error = match feed.filter(|feed| feed.number == grant.token) {
            Some(feed) => feed.silent(self.silence).await,
            None => Error::unavailable("it is no longer registered"),
        };
        Lost::Gone(error.with_backend("push").during("hold"))
    }

    async fn update(&self, _record: &Record, _grant: &Grant) -> Result<(), Error> {
        Err(unsupported("carry more than a URL"))
    }

    async fn remove(&self, record: &Record) -> Result<(), Error> {
        let url = url_of(record.instance.address());
        // Closed first: should the centre not hear of it, it finds no heartbeat here.
        drop(self.held_feeds().remove(&url));
        self.centre.deregister(&url).await
    }

    async fn watch(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        self.watch_service(service, publisher).await
    }

    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        Err(unsupported("list services"))
    }

    async fn watch_services(&self, _publisher: &CatalogPublisher) -> Error {
        unsupported("list services")
    }

    async fn drain(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(unsupported("drain"))
    }

    async fn deregister(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(unsupported("deregister by id"))
    }

    async fn probe(&self) -> Result<ProbeReport, Error> {
        let started = Instant::now();
        self.centre.probe().await?;
        Ok(ProbeReport::new(started.elapsed(), "article 001", self.centre.authority.clone()))
    }
}
