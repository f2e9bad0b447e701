//! Keeps what this connection has registered: one task for all of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sd_core::{Backoff, ErrorKind, Owner, Randomness, defaults, spread};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::{BEATS, Call, Line, SharedClient};
use crate::definition::{AgentService, Status};
use crate::error::{Failure, error};
use crate::holdings::{Held, Holdings, Standing};
use crate::layout::{check_id, owner};
use crate::turns::Turns;

const OPERATION: &str = "heartbeat";
/// How many heartbeats are sent before it is looked again which are the oldest.
const BATCH: usize = 64;

/// How often it is looked whether the services behind the checks are still ours.
const LOOK: Duration = Duration::from_secs(60);

/// Keeps what this connection has registered, and finds out whether it is still there and still ours.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) client: SharedClient,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) ttl: Duration,
    pub(crate) request_timeout: Duration,
    /// Whether the checks are TTLs, which must be renewed, or Consul's own, where it is enough to look.
    pub(crate) renews: bool,
    /// Asks for all heartbeats at once.
    pub(crate) hurry: Arc<Notify>,
}

impl Heartbeat {
    /// Heartbeats, each when it is due, for as long as anybody polls it.
    pub(crate) async fn run(&self) {
        let interval = self.ttl / defaults::BEATS_PER_TTL;
        // After a time without an answer: short, since a TTL is running.
        let (base, max) = (Duration::from_millis(100), self.ttl / 10);
        let mut backoff = Backoff::new(base, max, Arc::clone(&self.randomness)).with_first_spread(max);
        let (mut sweep_at, mut look_at) = (Instant::now(), Instant::now() + LOOK);
        loop {
            self.holdings.until_any().await;
            let spread_interval = spread(&*self.randomness, interval, defaults::BEAT_JITTER);
            let sweeps = sweep_at <= Instant::now();
            let (due, next) = self.holdings.due(spread_interval, BATCH);
            if due.is_empty() && !sweeps {
                let next = next.map_or(sweep_at, |next| next.min(sweep_at));
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = self.hurry.notified() => self.holdings.doubt_all(2 * interval),
                }
                continue;
            }
            if sweeps {
                sweep_at = Instant::now() + spread_interval;
            }
            let looks = look_at <= Instant::now();
            if looks {
                look_at = Instant::now() + LOOK;
            }
            match self.beat_all(due, sweeps, looks).await {
                Ok(()) => backoff.succeeded(),
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "the agent answers no heartbeat");
                    tokio::time::sleep(backoff.failed()).await;
                }
            }
            let exchanged = || error(ErrorKind::Unavailable, OPERATION, "it is registered anew with another token");
            self.holdings.exchange(self.client.token_generation(), exchanged);
            let silent = || error(ErrorKind::Unavailable, OPERATION, "no heartbeat was answered for a TTL");
            self.holdings.expire(self.ttl, silent);
        }
    }

    /// Ends early when nobody answers, since then nobody answers the others either.
    async fn beat_all(&self, due: Vec<Held>, sweeps: bool, looks: bool) -> Result<(), Failure> {
        if looks && self.renews {
            // Who registers our id without replacing our check lets that one pass on.
            self.look().await?;
        }
        if self.renews {
            let mut beats = stream::iter(due).map(|held| self.renew(held)).buffer_unordered(BEATS);
            while let Some(result) = beats.next().await {
                result?;
            }
        } else if !due.is_empty() {
            self.look().await?;
        }
        if sweeps {
            for leaving in self.holdings.leaving() {
                self.sweep(&leaving).await?;
            }
        }
        Ok(())
    }

    /// Renews one TTL; an error when nobody answered.
    async fn renew(&self, held: Held) -> Result<(), Failure> {
        let sent = Instant::now();
        let renewed = self.client.set_check(self.beat(), &check_id(&held.id, &held.owner), Status::Passing).await;
        match renewed {
            Ok(()) => self.holdings.confirm(&held, sent),
            Err(failure) if failure.is_unknown_check() => match self.client.service(self.beat(), &held.id).await {
                // Ours without our check, which nothing keeps alive, is to be registered anew too.
                Ok(found) => self.holdings.judge(&held, verdict(found.as_ref(), &held.owner)),
                Err(failure) => return self.note(&held, failure),
            },
            Err(failure) => return self.note(&held, failure),
        }
        Ok(())
    }

    /// Looks whether the agent still has everything. Its list answers at once whatever index or hash one gives, so that
    /// it can't be waited for; one request tells of all.
    async fn look(&self) -> Result<(), Failure> {
        let sent = Instant::now();
        let held = self.holdings.held();
        let services = match self.client.services(self.beat()).await {
            Ok(services) => services,
            Err(failure) => {
                for held in &held {
                    self.holdings.trouble(held, failure.error.clone(), !failure.is_silence());
                }
                return if failure.is_silence() { Err(failure) } else { Ok(()) };
            }
        };
        let services: HashMap<_, _> = services.iter().map(|service| (service.id.as_str(), service)).collect();
        for held in held {
            let found = services.get(&*held.id).copied();
            if found.is_some_and(|found| owner(&found.meta) == Some(held.owner.as_str())) {
                self.holdings.confirm(&held, sent);
            } else {
                self.holdings.judge(&held, verdict(found, &held.owner));
            }
        }
        Ok(())
    }

    /// Takes back what could not be taken back when that was asked for; an error when nobody answered.
    async fn sweep(&self, leaving: &Held) -> Result<(), Failure> {
        let call = self.beat();
        // Somebody else of this process may be registering the id just now; then the next round looks again.
        let Ok(_turn) = self.turns.take(&leaving.id, call.deadline, call.operation).await else { return Ok(()) };
        match take_back(&self.client, call, &leaving.id, &leaving.owner).await {
            Ok(()) => self.holdings.left(&leaving.id, &leaving.owner),
            Err(failure) if failure.is_silence() => return Err(failure),
            Err(failure) => tracing::debug!(error = %failure.error, id = %leaving.id, "it could not be taken back"),
        }
        Ok(())
    }

    fn note(&self, held: &Held, failure: Failure) -> Result<(), Failure> {
        self.holdings.trouble(held, failure.error.clone(), !failure.is_silence());
        if failure.is_silence() { Err(failure) } else { Ok(()) }
    }

    fn beat(&self) -> Call {
        // A mute agent must leave time for another attempt within the TTL.
        let bound = self.request_timeout.min(self.ttl / defaults::BEATS_PER_TTL);
        Call { deadline: Instant::now() + bound, line: Line::Beats, operation: OPERATION }
    }
}

/// What the agent's service says about an entry that it no longer confirms.
pub(crate) fn verdict(found: Option<&AgentService>, ours: &Owner) -> Standing {
    match found {
        Some(found) if owner(&found.meta) != Some(ours.as_str()) => Standing::Superseded,
        _ => Standing::Gone(error(ErrorKind::NotFound, "register", "the agent does not have it any more")),
    }
}

/// Takes a service back if it is this owner's, and sees to it that it is gone: the agent says yes to anything.
pub(crate) async fn take_back(client: &SharedClient, call: Call, id: &str, ours: &Owner) -> Result<(), Failure> {
    let is_ours =
        |found: &Option<AgentService>| found.as_ref().is_some_and(|found| owner(&found.meta) == Some(ours.as_str()));
    if !is_ours(&client.service(call, id).await?) {
        return Ok(());
    }
    client.deregister(call, id).await?;
    if is_ours(&client.service(call, id).await?) {
        let stands = error(ErrorKind::Protocol, call.operation, format!("the agent still has {id:?}"));
        return Err(Failure::unanswered(stands));
    }
    Ok(())
}
