//! Keeps everything that a connection has registered alive, with one request per beat, and finds out what was lost.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backoff, Error, ErrorKind, Randomness, ServiceName, defaults, spread};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::error::{Failure, error};
use super::holdings::{Held, Holdings, Standing};
use super::pool::Pool;
use super::wire::{DEREGISTER, MOST_RENEWED, MOST_SENT, Named, RENEW, Renew, Renewal, Renewed};

const OPERATION: &str = "heartbeat";
/// What JSON puts around an entry that is to be renewed, and more.
const AROUND_ENTRY: usize = 64;

/// Keeps everything that a connection has registered alive. One per connection.
///
/// A beat that is not answered is tried again, over other hosts, until the TTL of the entries has truly passed. A beat
/// comes early, spread over a second, when the connection breaks: a centre that was restarted may have forgotten.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) pool: Arc<Pool>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) ttl: Duration,
    pub(crate) randomness: Arc<dyn Randomness>,
}

impl Heartbeat {
    /// Beats for ever; sleeps while nothing is registered.
    pub(crate) async fn run(self) {
        let interval = self.ttl / defaults::BEATS_PER_TTL;
        let longest = (self.ttl / 10).max(Duration::from_millis(100));
        let mut backoff =
            Backoff::new(Duration::from_millis(100), longest, Arc::clone(&self.randomness)).with_first_spread(longest);
        let mut next: Option<Instant> = None;
        loop {
            let until_next = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = until_next => {
                    let pause = match self.beat().await {
                        Ok(()) => {
                            backoff.succeeded();
                            spread(&*self.randomness, interval, defaults::BEAT_JITTER)
                        }
                        Err(failure) => {
                            tracing::debug!(error = %failure.error, "a heartbeat was not answered");
                            backoff.failed().max(Duration::from_millis(10))
                        }
                    };
                    next = (!self.holdings.is_empty()).then(|| Instant::now() + pause);
                }
                () = self.holdings.wake.notified() => {
                    if next.is_none() {
                        let pause = spread(&*self.randomness, interval, defaults::BEAT_JITTER);
                        next = Some(Instant::now() + pause);
                    }
                    // What it can't tell now, the next beat does.
                    let _ = self.renew(&self.holdings.to_verify()).await;
                }
                () = self.pool.ended.notified() => if next.is_some() {
                    let first = defaults::FIRST_RETRY_SPREAD / 2;
                    // Between 0 and 1 s.
                    let early = Instant::now() + spread(&*self.randomness, first, 1.0);
                    next = next.map(|at| at.min(early));
                },
            }
        }
    }

    /// One beat: renews what is held, gives up what could not be renewed for its TTL, and takes back what is to leave.
    async fn beat(&self) -> Result<(), Failure> {
        let renewed = self.renew(&self.holdings.to_renew()).await;
        if let Err(failure) = &renewed {
            self.holdings.lapse(&failure.error);
        }
        renewed?;
        self.take_back().await
    }

    /// Renews entries, in as few requests as there can be.
    async fn renew(&self, held: &[Held]) -> Result<(), Failure> {
        let mut first_failure = None;
        for batch in batches(held) {
            let result = match self.renew_batch(batch).await {
                Err(failure) if failure.error.kind() == ErrorKind::Unauthorized => self.renew_by_service(batch).await,
                result => result,
            };
            if let Err(failure) = result {
                let unanswered = failure.error.kind() == ErrorKind::Unavailable;
                first_failure.get_or_insert(failure);
                if unanswered {
                    break;
                }
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// One right that was lost must not let everything else lapse.
    async fn renew_by_service(&self, batch: &[Held]) -> Result<(), Failure> {
        let mut sorted: Vec<_> = batch.to_vec();
        sorted.sort_by(|a, b| a.service.cmp(&b.service));
        let mut result = Ok(());
        for of_service in sorted.chunk_by(|a, b| a.service == b.service) {
            let renewed = self.renew_batch(of_service).await;
            result = result.and(renewed);
        }
        result
    }

    async fn renew_batch(&self, batch: &[Held]) -> Result<(), Failure> {
        let entries = batch.iter().map(named).collect();
        let body = Renew { entries };
        let sent = Instant::now();
        // A mute host must leave time for another one.
        let deadline = self.pool.deadline().min(sent + self.ttl / defaults::BEATS_PER_TTL);
        let answer: Renewed = self.pool.post_now(deadline, RENEW, &body, OPERATION).await?;
        if answer.results.len() != batch.len() {
            let (asked, told) = (batch.len(), answer.results.len());
            return Err(Failure::of_protocol(OPERATION, format!("{asked} entries were renewed, and {told} answered")));
        }
        let mut refused = Ok(());
        for (held, renewal) in batch.iter().zip(answer.results) {
            match renewal {
                Renewal::Ok => self.holdings.renewed(held, sent + self.ttl),
                Renewal::Gone => self.holdings.judge(held, Standing::Gone(gone())),
                Renewal::Superseded => self.holdings.judge(held, Standing::Superseded),
                Renewal::Refused => refused = Err(not_allowed(&held.service)),
            }
        }
        refused
    }

    /// Takes away what a removal left behind.
    async fn take_back(&self) -> Result<(), Failure> {
        for held in self.holdings.to_remove() {
            let deadline = self.pool.deadline();
            match self.pool.post_now::<IgnoredAny>(deadline, DEREGISTER, &named(&held), "deregister").await {
                Err(failure) if failure.error.is_retryable() => return Err(failure),
                // Refused for good: it ends by itself, since nobody renews it.
                _ => self.holdings.left(&held.service, &held.id, &held.owner),
            }
        }
        Ok(())
    }
}

fn named(held: &Held) -> Named<'_> {
    Named { service: held.service.as_str(), id: &held.id, owner: Some(held.owner.as_str()) }
}

/// Parts that one request can carry each.
fn batches(held: &[Held]) -> impl Iterator<Item = &[Held]> {
    let mut rest = held;
    std::iter::from_fn(move || {
        let mut size = AROUND_ENTRY;
        let fits = rest.iter().take(MOST_RENEWED).take_while(|held| {
            // An id may grow sixfold by JSON's escapes: a control character is six bytes there.
            size += held.service.as_str().len() + 6 * held.id.len() + held.owner.as_str().len() + AROUND_ENTRY;
            size <= MOST_SENT
        });
        // One always fits: a name and an id have their limits.
        let count = fits.count().max(1).min(rest.len());
        let (batch, remaining) = rest.split_at(count);
        rest = remaining;
        (!batch.is_empty()).then_some(batch)
    })
}

fn gone() -> Error {
    error(ErrorKind::NotFound, OPERATION, "the centre no longer has the entry")
}

fn not_allowed(service: &ServiceName) -> Failure {
    let message = format!("the token lacks the right to keep {service} registered");
    Failure::new(Error::new(ErrorKind::Unauthorized, message).during(OPERATION), super::error::Blame::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::{Address, Instance, Owner, Record};

    fn held(count: usize, id_bytes: usize) -> Vec<Held> {
        let holdings = Holdings::default();
        for n in 0..count {
            let id = format!("{n:0id_bytes$}");
            let instance = Instance::new("127.0.0.1:1".parse::<Address>().unwrap()).with_id(id);
            let record = Record::new("book".parse().unwrap(), Arc::new(instance), Owner::from_text("0123456789abcdef"));
            holdings.intend(&record);
            holdings.written(&record, 1, Instant::now());
        }
        holdings.to_renew()
    }

    #[test]
    fn one_request_renews_what_it_can_carry() {
        for (count, id_bytes, requests) in [(0, 5, 0), (1, 5, 1), (5_000, 15, 1), (25_000, 6, 4), (9_000, 256, 15)] {
            let held = held(count, id_bytes);
            let batches: Vec<_> = batches(&held).collect();
            assert_eq!(batches.len(), requests, "{count} of {id_bytes}");
            assert_eq!(batches.iter().map(|batch| batch.len()).sum::<usize>(), count);
            assert!(batches.iter().all(|batch| batch.len() <= MOST_RENEWED));
        }
    }
}
