//! What the centre counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number of things that are there now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Counts one more, unless that would be more than `limit`; it is there until the guard is dropped.
    pub(crate) fn enter(self: &std::sync::Arc<Self>, limit: usize) -> Option<Present> {
        let more = |now: u64| (now < limit as u64).then_some(now + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Present(std::sync::Arc::clone(self)))
    }
}

/// One of those that a [`Gauge`] counts.
#[derive(Debug)]
pub(crate) struct Present(std::sync::Arc<Gauge>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// Upper bounds of the buckets of a [`Timing`], in microseconds.
pub(crate) const BOUNDS_US: [u64; 8] = [250, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// How long something took, by bucket.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    pub(crate) buckets: [Counter; BOUNDS_US.len()],
    pub(crate) count: Counter,
    pub(crate) total_us: Counter,
}

impl Timing {
    pub(crate) fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.one();
        self.total_us.add(usize::try_from(us).unwrap_or(usize::MAX));
        if let Some(bucket) = BOUNDS_US.iter().position(|bound| us <= *bound) {
            self.buckets[bucket].one();
        }
    }
}

/// Everything that is counted; no number is kept per instance or per service.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) registered: Counter,
    pub(crate) updated: Counter,
    pub(crate) deregistered: Counter,
    pub(crate) expired: Counter,
    pub(crate) renewed: Counter,
    pub(crate) renewals_refused: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) commits: Timing,
    pub(crate) commit_failures: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) resumed: Counter,
    pub(crate) fell_behind: Counter,
    pub(crate) requests: [Counter; 6],
    pub(crate) pushes: Counter,
    pub(crate) pushes_failed: Counter,
    pub(crate) heartbeats_failed: Counter,
    pub(crate) refused_tokens: Counter,
    pub(crate) refused_rate: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) watchers: std::sync::Arc<Gauge>,
    pub(crate) connections: std::sync::Arc<Gauge>,
}
