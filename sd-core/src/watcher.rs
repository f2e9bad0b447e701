//! Keeps a watch alive: runs one session after another, for as long as somebody looks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::catalog::CatalogPublisher;
use crate::error::Error;
use crate::outage::{Outage, count};
use crate::pause::next_pause;
use crate::publisher::Publisher;
use crate::registry::Registry;
use crate::service::ServiceName;

/// What is watched: one service's instances, or the list of services.
#[async_trait]
pub(crate) trait Watched: Send + Sync + 'static {
    /// What stands in the log.
    fn label(&self) -> &str;
    /// One session.
    async fn session(&self, registry: &dyn Registry) -> Error;
    /// Resolves once what is published is live.
    async fn until_live(&self);
    fn failed(&self, error: Error);
    fn is_live(&self) -> bool;
    /// Resolves when nobody reads.
    async fn unwatched(&self);
    fn subscribers(&self) -> usize;
    /// Ends holds and the like; never resolves.
    async fn keep_deadlines(&self);
}

/// Everything that a watch needs beside what is watched.
#[derive(Debug, Clone)]
pub(crate) struct Supervision {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) backoff: Backoff,
    pub(crate) pauses: watch::Receiver<u64>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) linger: Duration,
}

/// Runs sessions until nobody has read for the linger and `forget`, asked under the table's lock, says that it is so.
pub(crate) async fn keep_watching(
    watched: &dyn Watched,
    mut supervision: Supervision,
    forget: impl Fn() -> bool + Send + Sync,
) {
    let Supervision { registry, outage, linger, .. } = supervision.clone();
    let ended = async {
        loop {
            watched.unwatched().await;
            tokio::time::sleep(linger).await;
            if watched.subscribers() == 0 && forget() {
                break;
            }
        }
    };
    tokio::select! {
        () = ended => {}
        () = watched.keep_deadlines() => {}
        () = run_sessions(watched, &mut supervision) => {}
    }
    outage.recovered(registry.name(), watched.label());
}

async fn run_sessions(watched: &dyn Watched, supervision: &mut Supervision) {
    let Supervision { registry, backoff, pauses, outage, .. } = supervision;
    loop {
        let started = Instant::now();
        pauses.mark_unchanged();
        let noticed = async {
            watched.until_live().await;
            outage.recovered(registry.name(), watched.label());
            std::future::pending::<()>().await;
        };
        let (error, paused) = tokio::select! {
            error = watched.session(&**registry) => (error, false),
            () = next_pause(pauses) => {
                (Error::unavailable("this process stood still for longer than its TTL"), true)
            }
            () = noticed => continue,
        };
        if watched.is_live() {
            backoff.succeeded_at(started);
        }
        count(&outage.watch_failures);
        outage.failed(registry.name(), watched.label(), &error);
        watched.failed(error);
        if !paused {
            tokio::time::sleep(backoff.failed()).await;
        }
    }
}

/// The instances of one service.
pub(crate) struct ServiceWatch {
    pub(crate) service: ServiceName,
    pub(crate) publisher: Publisher,
}

#[async_trait]
impl Watched for ServiceWatch {
    fn label(&self) -> &str {
        self.service.as_str()
    }
    async fn session(&self, registry: &dyn Registry) -> Error {
        registry.watch(&self.service, &self.publisher).await
    }
    async fn until_live(&self) {
        self.publisher.until_live().await;
    }
    fn failed(&self, error: Error) {
        self.publisher.fail(error);
    }
    fn is_live(&self) -> bool {
        self.publisher.is_live()
    }
    async fn unwatched(&self) {
        self.publisher.unwatched().await;
    }
    fn subscribers(&self) -> usize {
        self.publisher.subscribers()
    }
    async fn keep_deadlines(&self) {
        self.publisher.keep_deadlines().await;
    }
}

/// The list of services.
pub(crate) struct CatalogWatch(pub(crate) CatalogPublisher);

#[async_trait]
impl Watched for CatalogWatch {
    fn label(&self) -> &str {
        "the list of services"
    }
    async fn session(&self, registry: &dyn Registry) -> Error {
        registry.watch_services(&self.0).await
    }
    async fn until_live(&self) {
        self.0.until_live().await;
    }
    fn failed(&self, error: Error) {
        self.0.fail(error);
    }
    fn is_live(&self) -> bool {
        self.0.is_live()
    }
    async fn unwatched(&self) {
        self.0.unwatched().await;
    }
    fn subscribers(&self) -> usize {
        self.0.subscribers()
    }
    async fn keep_deadlines(&self) {
        std::future::pending::<()>().await;
    }
}
