//! Which services have an instance: listed, or watched as a list of names.

use std::collections::BTreeSet;
use std::convert::Infallible;

use sd_core::{CatalogPublisher, Error, ErrorKind, ServiceName};

use super::error::{Blame, Failure};
use super::events::Event;
use super::feed::Feed;
use super::registry::CentreRegistry;
use super::watch::data;
use super::wire::{NamedService, Names, SERVICES, Services, Stale, WATCH_SERVICES};

const OPERATION: &str = "watch services";

impl CentreRegistry {
    /// The names of the services that have an instance and that the token may read.
    pub(crate) async fn list_services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        let listed = self.pool.get::<Services>(self.pool.deadline(), SERVICES, "list services").await;
        let listed = listed.map_err(|failure| failure.error)?;
        Ok(listed.services.iter().filter_map(|service| service.name.parse().ok()).collect())
    }

    /// Publishes the names, then every change of them, until something breaks. Names are few: a watch that broke reads
    /// them again.
    pub(crate) async fn watch_catalog(&self, publisher: &CatalogPublisher) -> Error {
        let Err(failure) = self.follow_catalog(publisher).await;
        failure.error
    }

    async fn follow_catalog(&self, publisher: &CatalogPublisher) -> Result<Infallible, Failure> {
        let mut feed = Feed::open(&self.pool, WATCH_SERVICES, None, self.silence, OPERATION).await?;
        let mut names = CatalogReader { publisher, names: None, arriving: BTreeSet::new(), stale: None };
        loop {
            let events = feed.next().await?;
            names.take(&events).map_err(|error| feed.blamed(Failure::new(error.during(OPERATION), Blame::Endpoint)))?;
        }
    }
}

/// Turns the events of one session into what is published.
struct CatalogReader<'a> {
    publisher: &'a CatalogPublisher,
    /// `None` until they are known.
    names: Option<BTreeSet<ServiceName>>,
    /// The parts of a snapshot that have arrived.
    arriving: BTreeSet<ServiceName>,
    /// What a front says is in the way of its registry.
    stale: Option<Error>,
}

impl CatalogReader<'_> {
    /// Publishes what the events say, together.
    fn take(&mut self, events: &[Event]) -> Result<(), Error> {
        for event in events {
            self.take_one(event)?;
        }
        match (&self.stale, &self.names) {
            (Some(error), _) => self.publisher.fail(error.clone()),
            (None, Some(names)) => self.publisher.replace(names.clone()),
            (None, None) => {}
        }
        Ok(())
    }

    fn take_one(&mut self, event: &Event) -> Result<(), Error> {
        match (event.name.as_str(), &mut self.names) {
            ("put", Some(names)) => {
                names.extend(data::<NamedService<'_>>(event)?.service.parse::<ServiceName>());
            }
            ("remove", Some(names)) => drop(names.remove(&*data::<NamedService<'_>>(event)?.service)),
            ("put" | "remove", None) => {
                return Err(Error::new(ErrorKind::Protocol, "the centre sent a change before what it changes"));
            }
            ("snapshot", _) => {
                let part: Names = data(event)?;
                self.arriving.extend(part.services.iter().filter_map(|name| name.parse::<ServiceName>().ok()));
                if !part.more {
                    self.names = Some(std::mem::take(&mut self.arriving));
                    self.stale = part.stale.map(|stale| stale.error(OPERATION));
                    if let (Some(_), Some(names)) = (&self.stale, &self.names) {
                        // What is known of old is shown, and that it is old.
                        self.publisher.replace(names.clone());
                    }
                }
            }
            ("stale", _) => self.stale = Some(data::<Stale>(event)?.error(OPERATION)),
            ("live", _) => self.stale = None,
            // A heartbeat, or what a later version says beside.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), id: None, data: data.as_bytes().to_vec() }
    }

    fn names(publisher: &CatalogPublisher) -> Vec<String> {
        publisher.subscribe().snapshot().names().iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn names_are_known_once_they_are_whole_and_then_come_and_go() {
        let publisher = CatalogPublisher::default();
        let mut reader = CatalogReader { publisher: &publisher, names: None, arriving: BTreeSet::new(), stale: None };
        let freshness = || publisher.subscribe().snapshot().freshness().clone();
        reader.take(&[event("snapshot", r#"{"services":["b"],"more":true}"#)]).unwrap();
        assert!(freshness().is_pending());
        assert!(reader.take(&[event("put", r#"{"service":"x","revision":1}"#)]).is_err());
        reader.take(&[event("snapshot", r#"{"services":["a","no/name"],"more":false}"#)]).unwrap();
        assert_eq!(names(&publisher), ["a", "b"]);
        reader
            .take(&[
                event("put", r#"{"service":"c","revision":1}"#),
                event("remove", r#"{"service":"a","revision":2}"#),
            ])
            .unwrap();
        assert_eq!(names(&publisher), ["b", "c"]);
        reader.take(&[event("stale", r#"{"error":"x"}"#)]).unwrap();
        assert!(freshness().is_stale() && names(&publisher) == ["b", "c"]);
        reader.take(&[event("heartbeat", "{}"), event("live", "{}")]).unwrap();
        assert!(freshness().is_live());
        let old = r#"{"services":["z"],"more":false,"stale":{"for_ms":1,"error":"x"}}"#;
        reader.take(&[event("snapshot", old)]).unwrap();
        assert!(freshness().is_stale() && names(&publisher) == ["z"]);
    }
}
