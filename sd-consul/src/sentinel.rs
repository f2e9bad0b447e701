//! Notices at once when the agent restarts, or when something happens to an entry of ours.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backoff, Randomness};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::SharedClient;
use crate::heartbeat::verdict;
use crate::holdings::Holdings;
use crate::layout::owner;

const OPERATION: &str = "watch the agent";

/// Waits with one blocking query for a change of one of our own entries: as long as it is open, the agent lives.
///
/// When it breaks, the agent may have been restarted, and a round of heartbeats finds out what it still knows as soon as
/// it answers again. It costs one connection. The agent answers it from what it knows itself, without a leader.
#[derive(Debug)]
pub(crate) struct Sentinel {
    pub(crate) client: SharedClient,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) wait: Duration,
    pub(crate) hurry: Arc<Notify>,
}

impl Sentinel {
    /// For as long as anybody polls it.
    pub(crate) async fn run(&self) {
        // Kept short: it is one request to an agent that should be on this host, and all registrations wait for it.
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(base, max, Arc::clone(&self.randomness)).with_first_spread(max / 4);
        let (mut watched, mut hash) = (String::new(), String::new());
        let mut broken = false;
        loop {
            let held = self.holdings.until_held().await;
            if watched != *held.id {
                (watched, hash) = (held.id.to_string(), String::new());
            }
            let asked = Instant::now();
            let answer = self.client.service_after(&watched, &hash, self.wait, OPERATION).await;
            let pause = match answer {
                Ok(found) => {
                    backoff.succeeded();
                    let stands = found.as_ref().is_some_and(|found| owner(&found.meta) == Some(held.owner.as_str()));
                    let changed = !hash.is_empty() && found.as_ref().is_some_and(|found| found.hash != hash);
                    if !stands {
                        self.holdings.judge(&held, verdict(found.as_ref(), &held.owner));
                    }
                    if broken || !stands {
                        self.hurry.notify_one();
                    }
                    broken = false;
                    hash = found.map(|found| found.hash).unwrap_or_default();
                    // One that does not stand is being registered anew; one that changes all the time is no news.
                    if stands && !changed { Duration::ZERO } else { max.saturating_sub(asked.elapsed()) }
                }
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "the agent does not answer");
                    // A refusal is an answer too: it is there.
                    broken = failure.is_silence();
                    hash.clear();
                    if broken { backoff.failed() } else { self.wait.min(10 * max) }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}
