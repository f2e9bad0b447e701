//! Which services have an instance: nodes below the root that have children.

use std::collections::BTreeSet;

use sd_core::{CatalogPublisher, Error, ServiceName, defaults, spread};
use tokio::time::Instant;

use crate::error::Failure;
use crate::feed::{Feed, Kind};
use crate::node::Found;
use crate::read::Reader;
use crate::registry::ZooKeeperRegistry;
use crate::watch::broken;

impl ZooKeeperRegistry {
    /// The names of the services that have a child.
    pub(crate) async fn list_services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        const OPERATION: &str = "list services";
        let deadline = self.sessions.deadline();
        let listed = async {
            let nodes = self.list_nodes(self.paths.root(), OPERATION).await?;
            let mut names = BTreeSet::new();
            self.count(&mut names, nodes);
            Ok(names)
        };
        let listed = tokio::time::timeout_at(deadline, listed).await;
        listed.unwrap_or_else(|_| Err(crate::error::late(OPERATION).error))
    }

    /// Publishes the names, then every change of them, until the connection is lost.
    ///
    /// The watch hears of every instance of every service, by name and without its value.
    pub(crate) async fn watch_catalog(&self, publisher: &CatalogPublisher) -> Error {
        loop {
            if let Err(failure) = self.follow_catalog(publisher).await {
                return self.learned(failure).error;
            }
        }
    }

    async fn follow_catalog(&self, publisher: &CatalogPublisher) -> Result<(), Failure> {
        let root = self.paths.root().to_owned();
        let mut feed = Feed::open(&self.sessions, root, Kind::Services, self.one_shot()).await?;
        let mut names = BTreeSet::new();
        let listed = feed.list().await?;
        let services = self.services_of(listed);
        let nodes = feed.read(services).await?;
        self.count(&mut names, nodes);
        publisher.replace(names.clone());
        let audit = Instant::now() + spread(&*self.randomness, self.audit, defaults::AUDIT_JITTER);
        loop {
            let touched = tokio::select! {
                touched = feed.next() => touched.map_err(broken)?,
                () = tokio::time::sleep_until(audit) => return Ok(()),
            };
            let services = self.services_of(touched);
            let nodes = feed.read(services).await?;
            self.count(&mut names, nodes);
            publisher.replace(names.clone());
        }
    }

    fn services_of(&self, names: BTreeSet<String>) -> BTreeSet<String> {
        names.into_iter().filter(|name| self.paths.service_of(name).is_some()).collect()
    }

    fn count(&self, names: &mut BTreeSet<ServiceName>, nodes: Vec<(String, Option<Found>)>) {
        for (name, found) in nodes {
            let Some(service) = self.paths.service_of(&name) else { continue };
            if found.is_some_and(|found| found.stat.num_children > 0) {
                names.insert(service);
            } else {
                names.remove(&service);
            }
        }
    }

    /// The children of a node, and what stands in each. Bounded by request, not as a whole.
    pub(crate) async fn list_nodes(
        &self,
        path: &str,
        operation: &'static str,
    ) -> Result<Vec<(String, Option<Found>)>, Error> {
        let deadline = self.sessions.deadline();
        let session = self.sessions.open(deadline, operation).await?;
        let client = session.ready(deadline, operation).await?;
        let names = match crate::error::answer(deadline, operation, client.list_children(path)).await {
            Err(failure) if failure.said == zookeeper_client::Error::NoNode => return Ok(Vec::new()),
            names => names?,
        };
        let parent = if path == "/" { "" } else { path };
        let paths: Vec<_> = names.iter().map(|name| format!("{parent}/{name}")).collect();
        let mut reader = Reader::new(self.one_shot());
        let mut all = Vec::with_capacity(paths.len());
        let mut rest = &*paths;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(reader.fitting(rest));
            let client = session.ready(self.sessions.deadline(), operation).await?;
            match reader.read(client, batch, &self.sessions, operation).await {
                Ok(read) => {
                    all.extend(read);
                    rest = later;
                }
                Err(failure) if failure.is_unknown_request() && !reader.singly => {
                    self.learned(failure);
                    reader = Reader::new(true);
                }
                Err(failure) => return Err(failure.error),
            }
        }
        Ok(names.into_iter().zip(all).collect())
    }
}
