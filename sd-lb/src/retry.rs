//! How often, how long and when a call is tried again.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Error, Randomness, default_randomness, defaults};

use crate::balanced::Balanced;
use crate::budget::Budget;
use crate::policy::{RetryErrors, RetryIf};
use crate::retrying::Retrying;

/// How often, how long and when a call is tried again.
///
/// ```
/// use std::time::Duration;
/// use sd_lb::Retry;
///
/// let retry = Retry::attempts(3).within(Duration::from_secs(3)).per_attempt(Duration::from_secs(1));
/// ```
///
/// The second attempt goes to another instance at once; where no other is left, and before every further attempt, there
/// is a pause with full jitter. Instances that were tried are avoided while others are left. What may be tried again at
/// all is said by a [`RetryPolicy`](crate::RetryPolicy), how much of it by a [`Budget`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is given to a client, or wrapped around a balanced service"]
pub struct Retry<P = RetryErrors> {
    limits: Limits,
    budget: Budget,
    randomness: Arc<dyn Randomness>,
    policy: P,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) attempts: u32,
    pub(crate) within: Duration,
    pub(crate) per_attempt: Option<Duration>,
    pub(crate) shortest_pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl Retry {
    /// This many attempts, the first included: 1 and more; 0 is refused when it is used. In 3 s altogether, without a
    /// limit per attempt.
    pub fn attempts(attempts: u32) -> Self {
        Self {
            limits: Limits {
                attempts,
                within: defaults::RETRY_TIMEOUT,
                per_attempt: None,
                shortest_pause: defaults::RETRY_BACKOFF_BASE,
                longest_pause: defaults::RETRY_BACKOFF_MAX,
            },
            budget: Budget::default(),
            randomness: default_randomness(),
            policy: RetryErrors,
        }
    }
}

/// Three attempts in 3 s.
impl Default for Retry {
    fn default() -> Self {
        Self::attempts(defaults::RETRY_ATTEMPTS)
    }
}

impl<P> Retry<P> {
    /// The total time, from when the call first has to wait; pauses and waiting for the first endpoints included. More
    /// than 0; `Duration::MAX` is no limit. Default 3 s.
    pub fn within(mut self, total: Duration) -> Self {
        self.limits.within = total;
        self
    }

    /// The time for each attempt: more than 0. Default: only the total limits it.
    pub fn per_attempt(mut self, timeout: Duration) -> Self {
        self.limits.per_attempt = Some(timeout);
        self
    }

    /// The shortest and the longest pause between attempts. The n-th pause is drawn evenly from the shortest to the
    /// shortest times 2ⁿ, and never longer than the longest. Default 25 ms to 250 ms.
    pub fn pauses(mut self, shortest: Duration, longest: Duration) -> Self {
        (self.limits.shortest_pause, self.limits.longest_pause) = (shortest, longest);
        self
    }

    /// How many calls may be retried. Default: a [`Budget`] of its own, of 20 % and 10 per second.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What pauses are drawn from. Default: `rand`'s generator of the thread.
    pub fn randomness(mut self, randomness: Arc<dyn Randomness>) -> Self {
        self.randomness = randomness;
        self
    }

    /// Tries again only those errors of the service for which `again` says yes; attempts that ran out of their time or
    /// that the instance's connection did not take are tried again, too. Where that is not enough, write a
    /// [`policy`](Self::policy).
    ///
    /// ```
    /// # use sd_lb::Retry;
    /// let retry = Retry::attempts(3).only_if(|error: &std::io::Error| error.kind() != std::io::ErrorKind::NotFound);
    /// ```
    pub fn only_if<E, F: Fn(&E) -> bool + Send + Sync>(self, again: F) -> Retry<RetryIf<F>> {
        self.policy(RetryIf(again))
    }

    /// What may be tried again. Default: [`RetryErrors`].
    pub fn policy<Q>(self, policy: Q) -> Retry<Q> {
        let Self { limits, budget, randomness, .. } = self;
        Retry { limits, budget, randomness, policy }
    }

    /// Wraps a balanced service.
    ///
    /// It wraps [`Balanced`] itself: a service in between could not pass on whom it tried. Layers go into the factory,
    /// around one instance, or outside, around all attempts.
    ///
    /// # Errors
    /// `Config` for no attempts, a total or per-attempt time of 0, and a shortest pause above the longest.
    pub fn wrap<S, C>(self, balanced: Balanced<S, C>) -> Result<Retrying<S, P, C>, Error> {
        let Self { limits, budget, randomness, policy } = self;
        limits.check()?;
        Ok(Retrying::new(balanced, limits, budget, randomness, policy))
    }
}

impl Limits {
    fn check(&self) -> Result<(), Error> {
        let refused = if self.attempts == 0 {
            "0 attempts: allowed are 1 and more; the first is one of them".to_owned()
        } else if self.within.is_zero() {
            "a total time of 0: allowed is more than 0; Duration::MAX is no limit".to_owned()
        } else if self.per_attempt.is_some_and(|timeout| timeout.is_zero()) {
            "a time per attempt of 0: allowed is more than 0, or none".to_owned()
        } else if self.shortest_pause > self.longest_pause {
            let Self { shortest_pause, longest_pause, .. } = self;
            format!("pauses from {shortest_pause:?} to {longest_pause:?}: the first must not be the longer one")
        } else {
            return Ok(());
        };
        Err(Error::config(refused).during("retry"))
    }

    /// The `nth` pause, from 1.
    pub(crate) fn pause(&self, nth: u32, randomness: &dyn Randomness) -> Duration {
        let doubled = self.shortest_pause.saturating_mul(1u32.checked_shl(nth).unwrap_or(u32::MAX));
        let spread = doubled.min(self.longest_pause).saturating_sub(self.shortest_pause);
        // 53 bits are what an f64 can tell apart.
        let unit = (randomness.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        self.shortest_pause + spread.mul_f64(unit)
    }
}
