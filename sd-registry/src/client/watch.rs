//! One session of watching a service: resumed where the last one stood, or read whole, and then followed.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use sd_core::{Change, Codec, Cursor, Error, ErrorKind, Instance, Publisher, ServiceName};
use serde::Deserialize;

use super::error::{Blame, Failure};
use super::events::Event;
use super::feed::{Feed, cursor};
use super::holdings::Holdings;
use super::registry::CentreRegistry;
use super::wire::{Entry, IdOnly, Removed, Snapshot, Stale, WATCH_SERVICES};

pub(crate) const OPERATION: &str = "watch";

impl CentreRegistry {
    /// Publishes the service's instances, then every change, until something breaks.
    pub(crate) async fn watch_service(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let Err(failure) = self.follow(service, publisher).await;
        failure.error
    }

    async fn follow(&self, service: &ServiceName, publisher: &Publisher) -> Result<Infallible, Failure> {
        let path = format!("{WATCH_SERVICES}/{service}");
        let cursor = publisher.cursor();
        let mut feed = Feed::open(&self.pool, &path, cursor, self.silence, OPERATION).await?;
        let mut reader = Reader::new(service, publisher, &self.holdings, cursor.is_some());
        loop {
            let events = feed.next().await?;
            reader
                .take(&events)
                .map_err(|error| feed.blamed(Failure::new(error.during(OPERATION), Blame::Endpoint)))?;
        }
    }
}

/// Turns the events of one session into what is published.
struct Reader<'a> {
    service: &'a ServiceName,
    publisher: &'a Publisher,
    holdings: &'a Holdings,
    /// Whether the session asked to go on where another stood.
    resumes: bool,
    /// Whether the set that the events change is known: before that they mean nothing.
    begun: bool,
    /// The parts of a snapshot that have arrived, and the ids in them that can't be read.
    snapshot: Vec<Arc<Instance>>,
    unreadable: HashSet<String>,
    /// Changes that have arrived together.
    changes: Vec<Change>,
    /// Where the watch can go on once the changes are published.
    cursor: Option<Cursor>,
    /// What a front says is in the way of its registry.
    stale: Option<Error>,
}

impl<'a> Reader<'a> {
    fn new(service: &'a ServiceName, publisher: &'a Publisher, holdings: &'a Holdings, resumes: bool) -> Self {
        Self {
            service,
            publisher,
            holdings,
            resumes,
            begun: false,
            snapshot: Vec::new(),
            unreadable: HashSet::new(),
            changes: Vec::new(),
            cursor: None,
            stale: None,
        }
    }

    /// Publishes what the events say, together where it can be.
    fn take(&mut self, events: &[Event]) -> Result<(), Error> {
        let result = events.iter().try_for_each(|event| self.take_one(event));
        // Also when one of them made no sense: those before it did.
        self.publish_changes();
        result
    }

    fn take_one(&mut self, event: &Event) -> Result<(), Error> {
        match event.name.as_str() {
            "put" if self.begun => {
                let change = match self.read(data(event)?) {
                    Ok(instance) => Change::Put(instance),
                    Err(id) => Change::Remove(id.into()),
                };
                self.changes.push(change);
            }
            "remove" if self.begun => {
                let removed: Removed<'_> = data(event)?;
                self.holdings.seen(self.service, &removed.id, None, removed.revision);
                self.publisher.unskip(&removed.id);
                self.changes.push(Change::Remove(Arc::from(&*removed.id)));
            }
            "put" | "remove" => return Err(protocol("a change before what it changes")),
            "snapshot" => {
                self.publish_changes();
                self.part_of_snapshot(data(event)?);
            }
            "resumed" if self.resumes => {
                self.begun = true;
                self.publisher.live();
            }
            "resumed" => return Err(protocol("that it goes on where nobody had stood")),
            "stale" => {
                self.publish_changes();
                self.is_stale(&data(event)?);
            }
            "live" => {
                self.stale = None;
                self.publish_changes();
                if self.begun {
                    self.publisher.live();
                }
            }
            // A heartbeat, or what a later version says beside.
            _ => {}
        }
        if let Some(id) = &event.id {
            self.cursor = Some(cursor(id)?);
        }
        Ok(())
    }

    fn part_of_snapshot(&mut self, part: Snapshot<'_>) {
        for entry in part.instances {
            match self.read(entry) {
                Ok(instance) => self.snapshot.push(instance),
                Err(id) => drop(self.unreadable.insert(id)),
            }
        }
        if part.more {
            return;
        }
        let unreadable = std::mem::take(&mut self.unreadable);
        self.publisher.retain_skipped(|id| unreadable.contains(id));
        self.publisher.replace(std::mem::take(&mut self.snapshot));
        self.begun = true;
        self.stale = None;
        if let Some(stale) = part.stale {
            self.is_stale(&stale);
        }
    }

    fn is_stale(&mut self, stale: &Stale) {
        let error = stale.error(OPERATION);
        self.publisher.fail(error.clone());
        self.stale = Some(error);
    }

    fn publish_changes(&mut self) {
        if !self.changes.is_empty() {
            self.publisher.apply(self.changes.drain(..));
            // What is published is taken for live.
            if let Some(error) = &self.stale {
                self.publisher.fail(error.clone());
            }
        }
        if let Some(cursor) = self.cursor.take() {
            self.publisher.set_cursor(Some(cursor));
        }
    }

    /// Reads an entry. One that can't be read is counted, and nothing is left of what stood under its id.
    fn read(&self, entry: Entry<'_>) -> Result<Arc<Instance>, String> {
        match Codec::decode(entry.instance.get().as_bytes()) {
            Ok(decoded) => {
                let instance = Arc::new(decoded.instance);
                self.holdings.seen(self.service, instance.id(), decoded.owner.as_ref(), entry.revision);
                self.publisher.unskip(instance.id());
                Ok(instance)
            }
            Err(error) => {
                let named: Option<IdOnly<'_>> = serde_json::from_str(entry.instance.get()).ok();
                let id = named.map(|named| named.id.into_owned()).unwrap_or_default();
                self.publisher.skip(&id, entry.revision, &error);
                Err(id)
            }
        }
    }
}

/// What an event says, as JSON.
pub(crate) fn data<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, Error> {
    serde_json::from_slice(&event.data)
        .map_err(|error| protocol(&format!("a {:?} that can't be read", event.name)).with_source(error))
}

fn protocol(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the centre sent {what}"))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
