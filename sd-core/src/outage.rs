//! What a connection went through: counters, and a log that speaks at transitions only.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// What a connection has gone through since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConnectionCounters {
    /// Watch sessions that broke.
    pub watch_failures: u64,
    /// Attempts to register that failed.
    pub register_failures: u64,
    /// Registrations that were lost and had to be made anew.
    pub registrations_lost: u64,
    /// Times that this process was found to have been paused beyond its TTL.
    pub pauses: u64,
}

/// Counts what goes wrong, and logs when the first thing fails and when the last one works again: an hour's outage of a
/// connection with a thousand registrations is two lines. And it tells those who wait that the registry answers again.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failing: Mutex<HashSet<String>>,
    /// Whether something could not reach the registry, and nothing was accepted since.
    out_of_reach: AtomicBool,
    /// How often an acceptance has followed that.
    returns: watch::Sender<u64>,
    pub(crate) watch_failures: AtomicU64,
    pub(crate) register_failures: AtomicU64,
    pub(crate) registrations_lost: AtomicU64,
    pub(crate) pauses: AtomicU64,
}

impl Outage {
    /// Notes that `what` fails.
    pub(crate) fn failed(&self, backend: &str, what: &str, error: &Error) {
        if error.kind() == ErrorKind::Unavailable {
            self.out_of_reach.store(true, Ordering::Relaxed);
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let first = failing.is_empty();
        if failing.insert(what.to_owned()) && first {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(backend, what, %error, cause, "registry trouble; what is known is kept, and it is tried again");
        }
    }

    /// Notes that `what` works, or is no longer tried.
    pub(crate) fn recovered(&self, backend: &str, what: &str) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.remove(what) && failing.is_empty() {
            tracing::info!(backend, "registry trouble is over");
        }
    }

    /// Notes that the registry has accepted an entry.
    pub(crate) fn accepted(&self) {
        if self.out_of_reach.swap(false, Ordering::Relaxed) {
            self.returns.send_modify(|returns| *returns = returns.wrapping_add(1));
        }
    }

    /// Changes when the registry accepts an entry after it was out of reach.
    pub(crate) fn returns(&self) -> watch::Receiver<u64> {
        self.returns.subscribe()
    }

    pub(crate) fn counters(&self) -> ConnectionCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ConnectionCounters {
            watch_failures: read(&self.watch_failures),
            register_failures: read(&self.register_failures),
            registrations_lost: read(&self.registrations_lost),
            pauses: read(&self.pauses),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
