//! One session of watching a service: read whole, and read again whenever its index has grown.

use std::convert::Infallible;

use sd_core::{Error, ErrorKind, Publisher, ServiceName};
use tokio::time::Instant;

use crate::client::{Answer, Query};
use crate::entry::Listing;
use crate::error::{Failure, NAME, error};
use crate::polling::{Heard, Polling};
use crate::registry::ConsulRegistry;

const OPERATION: &str = "watch";

/// Answers above this size are read off the runtime's threads: 20 MB take a tenth of a second and more.
const LARGE: usize = 256 << 10;

impl ConsulRegistry {
    /// Publishes the service's instances, then every change, until something breaks.
    pub(crate) async fn watch_service(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let Err(failure) = self.follow(service, publisher).await;
        failure.error
    }

    async fn follow(&self, service: &ServiceName, publisher: &Publisher) -> Result<Infallible, Failure> {
        let mut polling = Polling::default();
        // A node that was seen to have the service, for as long as it has instances.
        let mut node = None;
        let mut first = true;
        loop {
            let asked = Instant::now();
            let query = Query::of_service(&self.reading, polling.beyond());
            let answer = self.client.health(service.as_str(), &query, OPERATION).await?;
            let answered = Instant::now();
            let index = answer.index;
            let listing = self.understood(service, answer).await?;
            let is_empty = listing.node.is_none();
            let trusted = match is_empty && (first || node.is_some()) {
                true => self.is_truly_empty(service, node.as_deref()).await?,
                false => true,
            };
            let heard = polling.heard(index);
            if heard == Heard::Back {
                // So that a set that lost much is held, as after any other break.
                publisher.fail(error(
                    ErrorKind::Protocol,
                    OPERATION,
                    "Consul's index went back: it was restored or wiped",
                ));
            } else if !trusted && !first {
                publisher.fail(error(ErrorKind::Protocol, OPERATION, "an empty answer that may be for lack of rights"));
            }
            let changed = publish(publisher, &listing);
            (node, first) = (listing.node, false);
            let waited_out = heard == Heard::Nothing && asked.elapsed() >= self.reading.wait;
            let pause = polling.pause(answered.elapsed(), changed, waited_out);
            tokio::time::sleep(pause).await;
        }
    }

    /// What an answer says.
    pub(crate) async fn understood(&self, service: &ServiceName, answer: Answer) -> Result<Listing, Failure> {
        let read = |service: &str, tags: &[String], body: &[u8]| {
            Listing::read(service, tags, body).map_err(|cause| {
                let message = "an answer that is not Consul's";
                Failure::unanswered(error(ErrorKind::Protocol, OPERATION, message).with_source(cause))
            })
        };
        if answer.body.len() < LARGE {
            return read(service.as_str(), &self.reading.tags, &answer.body);
        }
        let (service, tags) = (service.clone(), self.reading.tags.clone());
        let reading = tokio::task::spawn_blocking(move || read(service.as_str(), &tags, &answer.body));
        reading.await.unwrap_or_else(|cause| {
            let failed = Error::unavailable("an answer could not be read to its end").with_source(cause);
            Err(Failure::unanswered(failed.with_backend(NAME).during(OPERATION)))
        })
    }

    /// Whether an empty answer is the truth, or for lack of rights; `false` where Consul can't tell.
    ///
    /// # Errors
    /// `Unauthorized`, when the token may not read the service.
    async fn is_truly_empty(&self, service: &ServiceName, node: Option<&str>) -> Result<bool, Failure> {
        match self.client.may_read(self.client.act(OPERATION), service.as_str(), node).await? {
            Some(true) => Ok(true),
            None => Ok(false),
            Some(false) => {
                let message = format!(
                    "the token may not read {service} and its nodes (service:read, node:read); Consul answers that with \
                     an empty list"
                );
                Err(Failure::unanswered(error(ErrorKind::Unauthorized, OPERATION, message)))
            }
        }
    }
}

/// Publishes what was read; says whether that changed anything.
fn publish(publisher: &Publisher, listing: &Listing) -> bool {
    let before = publisher.current().version();
    publisher.retain_skipped(|key| listing.unreadable.iter().any(|(unreadable, ..)| unreadable == key));
    for (key, index, why) in &listing.unreadable {
        publisher.skip(key, *index, why);
    }
    publisher.replace(listing.found.values().map(|found| std::sync::Arc::clone(&found.instance)));
    publisher.current().version() != before
}
