//! What is followed: one service, or each that the catalog names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sd_core::{
    Backend, CatalogSnapshot, CatalogSubscription, Delta, Error, ErrorKind, ServiceName, Snapshot, Subscription,
};
use tokio::task::JoinSet;

use super::no_list;
use crate::instances::freshness_word;

/// Something about a service is other than before.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) service: ServiceName,
    pub(crate) snapshot: Snapshot,
    pub(crate) delta: Delta,
    /// Whether it was unknown until now.
    pub(crate) first: bool,
}

impl News {
    /// Whether somebody came, went or changed, or is known for the first time.
    pub(crate) fn is_about_instances(&self) -> bool {
        self.first || !self.delta.is_empty()
    }
}

/// Follows services. Dropping it ends all that it has started.
pub(crate) struct Followed {
    registry: Arc<dyn Backend>,
    /// `None`: of one service only.
    catalog: Option<CatalogSubscription>,
    named: BTreeSet<ServiceName>,
    last: BTreeMap<ServiceName, Snapshot>,
    /// One wait per service.
    waits: JoinSet<(ServiceName, Subscription, Option<Snapshot>)>,
}

impl Followed {
    pub(crate) fn one(registry: Arc<dyn Backend>, service: ServiceName) -> Self {
        let mut followed = Self::nothing(registry, None);
        followed.named.insert(service.clone());
        followed.follow(service);
        followed
    }

    pub(crate) fn all(registry: Arc<dyn Backend>) -> Self {
        let catalog = registry.subscribe_services();
        Self::nothing(registry, Some(catalog))
    }

    /// The next news.
    ///
    /// # Errors
    /// `Unsupported` where there is no list of services, `Closed` when nothing can come any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<News, Error> {
        loop {
            let listed = async {
                match &mut self.catalog {
                    Some(catalog) => catalog.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                listed = listed => self.listed(listed.ok_or_else(ended)?)?,
                Some(waited) = self.waits.join_next() => {
                    // It can't panic, and is aborted only with this.
                    let Ok((service, subscription, Some(snapshot))) = waited else { return Err(ended()) };
                    if let Some(news) = self.news(service, subscription, snapshot) {
                        return Ok(news);
                    }
                }
            }
        }
    }

    fn nothing(registry: Arc<dyn Backend>, catalog: Option<CatalogSubscription>) -> Self {
        let (named, last) = (BTreeSet::new(), BTreeMap::new());
        Self { registry, catalog, named, last, waits: JoinSet::new() }
    }

    fn listed(&mut self, catalog: CatalogSnapshot) -> Result<(), Error> {
        if let Some(error) = catalog.freshness().error()
            && no_list(error)
        {
            return Err(error.clone());
        }
        let new: Vec<_> = catalog.names().iter().filter(|name| !self.last.contains_key(*name)).cloned().collect();
        self.named.clone_from(catalog.names());
        for service in new {
            self.follow(service);
        }
        Ok(())
    }

    fn follow(&mut self, service: ServiceName) {
        self.last.insert(service.clone(), Snapshot::pending());
        let subscription = self.registry.subscribe(&service);
        self.wait(service, subscription);
    }

    fn wait(&mut self, service: ServiceName, mut subscription: Subscription) {
        self.waits.spawn(async move {
            let snapshot = subscription.changed().await;
            (service, subscription, snapshot)
        });
    }

    fn news(&mut self, service: ServiceName, subscription: Subscription, snapshot: Snapshot) -> Option<News> {
        let last = self.last.insert(service.clone(), snapshot.clone()).unwrap_or_else(Snapshot::pending);
        // Who has left the list is followed until the last instance is gone, so that its going is told.
        if self.named.contains(&service) || !snapshot.is_empty() || !snapshot.freshness().is_live() {
            self.wait(service.clone(), subscription);
        } else {
            self.last.remove(&service);
        }
        let delta = Delta::between(&last, &snapshot);
        let first = last.freshness().is_pending() && !snapshot.freshness().is_pending();
        let word = |snapshot: &Snapshot| (freshness_word(snapshot.freshness()), snapshot.freshness().error().is_some());
        let is_news = first || !delta.is_empty() || word(&last) != word(&snapshot);
        is_news.then_some(News { service, snapshot, delta, first })
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the registry has ended the watch")
}
