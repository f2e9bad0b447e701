//! Which services have a key: read once, and then counted from the events.

use std::collections::{BTreeSet, HashMap};

use sd_core::{CatalogPublisher, Error, ServiceName};

use crate::error::Failure;
use crate::feed::{Event, Feed, Wanted};
use crate::layout::Layout;
use crate::list::list;
use crate::registry::EtcdRegistry;
use crate::view::Expected;

const OPERATION: &str = "watch services";

/// How many keys each service has.
#[derive(Debug, Default)]
struct Counts(HashMap<ServiceName, usize>);

impl EtcdRegistry {
    /// The names of the services that have a key.
    pub(crate) async fn list_services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        let (range, deadline) = (self.layout.whole_range(), self.pool.deadline());
        let listing = list(&self.pool, &range, true, "list services", Some(deadline)).await;
        let listing = listing.map_err(|failure| failure.error)?;
        Ok(listing.entries.iter().filter_map(|entry| self.layout.service(entry.key())).collect())
    }

    /// Publishes the names, then every change of them, until something breaks.
    ///
    /// etcd sends the values along with the keys; there is no way to do without.
    pub(crate) async fn watch_catalog(&self, publisher: &CatalogPublisher) -> Error {
        let Err(failure) = self.follow_catalog(publisher).await;
        failure.error
    }

    async fn follow_catalog(&self, publisher: &CatalogPublisher) -> Result<std::convert::Infallible, Failure> {
        let range = self.layout.whole_range();
        let listing = list(&self.pool, &range, true, OPERATION, None).await?;
        let (silence, answer) = self.watch_check;
        let wanted = Wanted { range: &range, from: listing.revision + 1, silence, answer, operation: OPERATION };
        let mut feed = Feed::open(&self.pool, &wanted).await?;
        let expected = Expected { keys: listing.entries.len(), newest: None };
        self.unchanged(&range, &feed, (listing.cluster, listing.revision), &expected, OPERATION).await?;
        let mut counts = Counts::default();
        for entry in &listing.entries {
            counts.add(self.layout.service(entry.key()));
        }
        drop(listing);
        publisher.replace(counts.names());
        loop {
            let news = feed.next().await?;
            let before = counts.0.len();
            let changed =
                news.events.iter().fold(false, |changed, event| counts.take_up(&self.layout, event) | changed);
            if changed || counts.0.len() != before {
                publisher.replace(counts.names());
            }
        }
    }
}

impl Counts {
    /// Counts an event; says whether a service came or went.
    fn take_up(&mut self, layout: &Layout, event: &Event) -> bool {
        match &event.value {
            Some(_) if event.created => self.add(layout.service(&event.key)),
            Some(_) => false,
            None => self.remove(layout.service(&event.key)),
        }
    }

    fn add(&mut self, service: Option<ServiceName>) -> bool {
        let Some(service) = service else { return false };
        let count = self.0.entry(service).or_default();
        *count += 1;
        *count == 1
    }

    fn remove(&mut self, service: Option<ServiceName>) -> bool {
        let Some(service) = service else { return false };
        let Some(count) = self.0.get_mut(&service) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.0.remove(&service);
        }
        last
    }

    fn names(&self) -> BTreeSet<ServiceName> {
        self.0.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, value: Option<&str>, created: bool) -> Event {
        Event { key: key.as_bytes().to_vec(), value: value.map(Into::into), revision: 1, created }
    }

    #[test]
    fn a_service_is_there_while_it_has_a_key() {
        let layout = Layout::new(None, None).unwrap();
        let mut counts = Counts::default();
        assert!(counts.take_up(&layout, &event("/services/a/1", Some("x"), true)));
        assert!(!counts.take_up(&layout, &event("/services/a/2", Some("x"), true)));
        assert!(!counts.take_up(&layout, &event("/services/a/2", Some("y"), false)));
        assert!(!counts.take_up(&layout, &event("/services/a/1", None, false)));
        assert!(!counts.take_up(&layout, &event("/services/b", Some("no id"), true)));
        assert!(counts.take_up(&layout, &event("/services/a/2", None, false)));
        assert!(counts.names().is_empty());
    }
}
