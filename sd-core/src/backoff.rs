//! Waiting between attempts: exponential, with full jitter.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::defaults;
use crate::randomness::{Randomness, default_randomness, up_to};

/// How long to wait between attempts that fail.
///
/// Full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015): the n-th wait is uniform between zero and
/// `min(max, base × 2ⁿ)`. The first wait after a time of health is uniform over one second, so that many processes
/// that lost the same registry do not come back together. A success starts the steps again only when it has lasted
/// for a minute: a registry that rises and falls is not hammered.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    first: Duration,
    healthy_after: Duration,
    attempt: u32,
    healthy_since: Option<Instant>,
    randomness: Arc<dyn Randomness>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(defaults::BACKOFF_BASE, defaults::BACKOFF_MAX, default_randomness())
    }
}

impl Backoff {
    /// Waits that grow from `base` to `max`; a `max` below `base` counts as `base`.
    #[must_use]
    pub fn new(base: Duration, max: Duration, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            base,
            max: max.max(base),
            first: defaults::FIRST_RETRY_SPREAD,
            healthy_after: defaults::HEALTHY_AFTER,
            attempt: 0,
            healthy_since: None,
            randomness,
        }
    }

    /// Spreads the first wait over `spread` instead of one second.
    #[must_use]
    pub fn with_first_spread(mut self, spread: Duration) -> Self {
        self.first = spread;
        self
    }

    /// Notes that things work from now on.
    pub fn succeeded(&mut self) {
        self.healthy_since.get_or_insert_with(Instant::now);
    }

    /// Notes that things have worked since `since`.
    pub(crate) fn succeeded_at(&mut self, since: Instant) {
        self.healthy_since.get_or_insert(since);
    }

    /// Notes a failure, and says how long to wait before trying again.
    pub fn failed(&mut self) -> Duration {
        if let Some(since) = self.healthy_since.take()
            && since.elapsed() >= self.healthy_after
        {
            self.attempt = 0;
        }
        let limit = if self.attempt == 0 { self.first } else { self.limit() };
        self.attempt = self.attempt.saturating_add(1);
        up_to(&*self.randomness, limit)
    }

    /// A wait as the first one is, without noting anything.
    pub(crate) fn spread(&self) -> Duration {
        up_to(&*self.randomness, self.first)
    }

    /// The wait for refusals that only a person can end: uniform over the upper half of the longest step.
    pub fn longest(&mut self) -> Duration {
        self.healthy_since = None;
        self.attempt = self.attempt.saturating_add(1);
        self.max / 2 + up_to(&*self.randomness, self.max / 2)
    }

    fn limit(&self) -> Duration {
        self.base.saturating_mul(1u32 << self.attempt.min(20)).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SeededRandomness;

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(Duration::from_millis(200), Duration::from_secs(10), Arc::new(SeededRandomness::new(seed)))
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_the_maximum_and_never_above() {
        let mut longest = [Duration::ZERO; 10];
        for seed in 0..2000 {
            let mut backoff = backoff(seed);
            for slot in &mut longest {
                *slot = (*slot).max(backoff.failed());
            }
        }
        assert!(longest[0] <= Duration::from_secs(1) && longest[0] > Duration::from_millis(900));
        assert!(longest[1] <= Duration::from_millis(400) && longest[1] > Duration::from_millis(300));
        assert!(longest[9] <= Duration::from_secs(10) && longest[9] > Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn tower_backoff_truncation_is_not_ours_whole_seconds_are_spread_too() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..50 {
            let mut backoff =
                Backoff::new(Duration::from_secs(1), Duration::from_secs(1), Arc::new(SeededRandomness::new(seed)));
            backoff.failed();
            seen.insert(backoff.failed());
        }
        assert!(seen.len() > 40, "jitter is lost: {seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_success_does_not_start_it_again_and_a_minute_of_health_does() {
        let mut backoff = backoff(3);
        for _ in 0..8 {
            backoff.failed();
        }
        backoff.succeeded();
        tokio::time::advance(Duration::from_secs(59)).await;
        backoff.failed();
        assert_eq!(backoff.attempt, 9);
        backoff.succeeded();
        tokio::time::advance(Duration::from_secs(60)).await;
        backoff.failed();
        assert_eq!(backoff.attempt, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_failures_do_not_overflow() {
        let mut backoff = backoff(4);
        for _ in 0..1000 {
            assert!(backoff.failed() <= Duration::from_secs(10));
        }
    }
}
