//! Which services there are.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::Error;
use crate::service::ServiceName;
use crate::snapshot::Freshness;

/// Which services there are: list them, or watch the list.
///
/// # Contract
/// A service is listed while it has an instance. `services` is bounded to 5 s. `subscribe_services` answers at once,
/// never fails and never blocks; the last known names stay through an outage, marked stale.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The names, read now.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error>;

    /// The names, and word of every change.
    fn subscribe_services(&self) -> CatalogSubscription;
}

/// Which services are known, and how fresh that is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CatalogSnapshot {
    names: Arc<BTreeSet<ServiceName>>,
    freshness: Freshness,
}

impl CatalogSnapshot {
    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<ServiceName> {
        &self.names
    }

    /// How fresh this is.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

/// The latest list of services, and word of every change.
#[derive(Clone)]
pub struct CatalogSubscription {
    receiver: watch::Receiver<CatalogSnapshot>,
    _source: Option<Arc<dyn Any + Send + Sync>>,
}

impl CatalogSubscription {
    /// What is known now. Never waits.
    #[must_use]
    pub fn snapshot(&self) -> CatalogSnapshot {
        self.receiver.borrow().clone()
    }

    /// Waits for something this reader has not seen; the first call returns at once. `None` when nothing can come.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&mut self) -> Option<CatalogSnapshot> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }

    pub(crate) fn keeping(mut self, source: Arc<dyn Any + Send + Sync>) -> Self {
        self._source = Some(source);
        self
    }
}

impl fmt::Debug for CatalogSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogSubscription").field("snapshot", &*self.receiver.borrow()).finish()
    }
}

/// The write half of a [`CatalogSubscription`].
#[derive(Debug, Clone)]
pub struct CatalogPublisher {
    sender: Arc<watch::Sender<CatalogSnapshot>>,
    settled: Arc<Notify>,
}

impl Default for CatalogPublisher {
    fn default() -> Self {
        let unknown = CatalogSnapshot { names: Arc::default(), freshness: Freshness::Pending { error: None } };
        Self { sender: Arc::new(watch::channel(unknown).0), settled: Arc::default() }
    }
}

impl CatalogPublisher {
    /// A read half.
    #[must_use]
    pub fn subscribe(&self) -> CatalogSubscription {
        let mut receiver = self.sender.subscribe();
        receiver.mark_changed();
        CatalogSubscription { receiver, _source: None }
    }

    /// Publishes the names as live, if that changes anything.
    pub fn replace(&self, names: BTreeSet<ServiceName>) {
        self.sender.send_if_modified(|snapshot| {
            let changed = !snapshot.freshness.is_live() || *snapshot.names != names;
            if changed {
                *snapshot = CatalogSnapshot { names: Arc::new(names), freshness: Freshness::Live };
            }
            changed
        });
        self.settled.notify_one();
    }

    /// Says that the registry can't be watched now. What was known stays.
    pub fn fail(&self, error: Error) {
        self.sender.send_modify(|snapshot| {
            snapshot.freshness = match &snapshot.freshness {
                Freshness::Pending { .. } => Freshness::Pending { error: Some(error) },
                Freshness::Stale { since, .. } => Freshness::Stale { since: *since, error },
                Freshness::Live => Freshness::Stale { since: Instant::now().into_std(), error },
            };
        });
    }

    pub(crate) fn is_live(&self) -> bool {
        self.sender.borrow().freshness.is_live()
    }

    pub(crate) async fn until_live(&self) {
        while !self.is_live() {
            self.settled.notified().await;
        }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }

    pub(crate) async fn unwatched(&self) {
        self.sender.closed().await;
    }
}
