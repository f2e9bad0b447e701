//! Which services have an instance.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sd_core::{CatalogPublisher, Error, ServiceName};
use tokio::time::Instant;

use crate::client::Query;
use crate::error::Failure;
use crate::polling::{Heard, Polling};
use crate::registry::ConsulRegistry;

const OPERATION: &str = "watch services";
/// Consul's servers stand in its catalog themselves.
const ITSELF: &str = "consul";

impl ConsulRegistry {
    /// The names of the services that have an instance.
    pub(crate) async fn list_services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        let call = self.client.act("list services");
        let query = Query::of_names(&self.reading, None).by(call.deadline);
        let (services, _) = self.client.catalog(&query, call.operation).await?;
        Ok(self.names(services))
    }

    /// Publishes the names, then every change of them, until something breaks.
    pub(crate) async fn watch_catalog(&self, publisher: &CatalogPublisher) -> Error {
        let Err(failure) = self.follow_catalog(publisher).await;
        failure.error
    }

    async fn follow_catalog(&self, publisher: &CatalogPublisher) -> Result<Infallible, Failure> {
        let mut polling = Polling::default();
        let mut known = None;
        loop {
            let asked = Instant::now();
            let query = Query::of_names(&self.reading, polling.beyond());
            let (services, index) = self.client.catalog(&query, OPERATION).await?;
            let answered = Instant::now();
            let names = self.names(services);
            let heard = polling.heard(index);
            let changed = known.as_ref() != Some(&names);
            known = Some(names.clone());
            publisher.replace(names);
            let waited_out = heard == Heard::Nothing && asked.elapsed() >= self.reading.wait;
            tokio::time::sleep(polling.pause(answered.elapsed(), changed, waited_out)).await;
        }
    }

    /// Of services whose instances have all the tags, between them.
    fn names(&self, services: BTreeMap<String, Vec<String>>) -> BTreeSet<ServiceName> {
        let wanted = |tags: &[String]| self.reading.tags.iter().all(|tag| tags.contains(tag));
        let named = services.into_iter().filter(|(name, tags)| name != ITSELF && wanted(tags));
        // A name that others gave and ours can't be: nobody could subscribe to it.
        named.filter_map(|(name, _)| name.parse().ok()).collect()
    }
}
