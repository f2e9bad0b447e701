//! What holds for a method: its time, whether it waits for somebody to be there, and what of it is tried again.

use std::time::Duration;

use sd_core::{Error, defaults};
use tonic::Code;

/// What holds for a method, a service's methods, or all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MethodConfig {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_for_ready: Option<bool>,
    pub(crate) retry: Option<RetryRule>,
}

impl MethodConfig {
    /// As the channel says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The time of a call with all its attempts, its answer's stream included; a shorter one of the request's own
    /// (`Request::set_timeout`) stands. More than 0. Default: the channel's.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether calls wait until somebody can be picked. Default: the channel's.
    #[must_use]
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = Some(wait);
        self
    }

    /// What is tried again. Default: what surely was not processed, and nothing else.
    #[must_use]
    pub fn retry(mut self, retry: RetryRule) -> Self {
        self.retry = Some(retry);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::config("a timeout of 0: allowed is more than 0, or none"));
        }
        self.retry.as_ref().map_or(Ok(()), RetryRule::check)
    }
}

/// Which answers of a method are tried again, how often and after which pauses: gRPC's retry policy.
///
/// It says that the method may be called twice: of a connection that broke nobody knows what the server did by then.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "nothing is tried again until it is given to a `MethodConfig`"]
pub struct RetryRule {
    pub(crate) attempts: u32,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) growth: f64,
    pub(crate) codes: u32,
    pub(crate) per_attempt: Option<Duration>,
}

/// As gRPC has it: more attempts than that are as many.
const MOST_ATTEMPTS: u32 = 5;

impl RetryRule {
    /// This many attempts, the first included: 2 to 5; more are 5, as gRPC has it. Tries `Unavailable` again.
    pub fn attempts(attempts: u32) -> Self {
        Self {
            attempts: attempts.min(MOST_ATTEMPTS),
            first_pause: defaults::RETRY_BACKOFF_BASE,
            longest_pause: defaults::RETRY_BACKOFF_MAX,
            growth: 2.0,
            codes: bit(Code::Unavailable),
            per_attempt: None,
        }
    }

    /// The statuses that are tried again: one at least, and not `Ok`. Default: `Unavailable`.
    pub fn codes(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes = codes.into_iter().fold(0, |all, code| all | bit(code));
        self
    }

    /// The first pause, the longest, and by how much one is longer than the one before; each is spread by a fifth.
    /// Default 25 ms, 250 ms, 2. A server that says `grpc-retry-pushback-ms` is obeyed instead.
    pub fn pauses(mut self, first: Duration, longest: Duration, growth: f64) -> Self {
        (self.first_pause, self.longest_pause, self.growth) = (first, longest, growth);
        self
    }

    /// How long the head of an answer may take before another instance is asked. More than 0. Default: only the call's
    /// own time limits it.
    pub fn per_attempt(mut self, timeout: Duration) -> Self {
        self.per_attempt = Some(timeout);
        self
    }

    pub(crate) fn allows(&self, code: Code) -> bool {
        self.codes & bit(code) != 0
    }

    /// The pause before the `nth` retry, from 1, not spread yet.
    pub(crate) fn pause(&self, nth: u32) -> Duration {
        let grown = self.first_pause.as_secs_f64() * self.growth.powi(nth.saturating_sub(1).min(100) as i32);
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.longest_pause)
    }

    fn check(&self) -> Result<(), Error> {
        let refused = if self.attempts < 2 {
            format!("{} attempts of a retry: allowed are 2 and more, the first included", self.attempts)
        } else if self.codes == 0 || self.codes & bit(Code::Ok) != 0 {
            "the statuses that are tried again: allowed are one or more, and not OK".to_owned()
        } else if self.first_pause.is_zero() || self.longest_pause.is_zero() {
            "a pause of 0 between attempts: allowed is more than 0".to_owned()
        } else if !(self.growth > 0.0 && self.growth.is_finite()) {
            format!("pauses that grow by {}: allowed is more than 0", self.growth)
        } else if self.per_attempt.is_some_and(|timeout| timeout.is_zero()) {
            "a time per attempt of 0: allowed is more than 0, or none".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::config(refused))
    }
}

fn bit(code: Code) -> u32 {
    1 << (code as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let rule = RetryRule::attempts(3).pauses(Duration::from_millis(100), Duration::from_millis(500), 2.0);
        assert_eq!([1, 2, 3, 4, u32::MAX].map(|nth| rule.pause(nth).as_millis()), [100, 200, 400, 500, 500]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let (one, none) = (Duration::from_secs(1), Duration::ZERO);
        for (config, what) in [
            (MethodConfig::new().timeout(none), "timeout of 0"),
            (MethodConfig::new().retry(RetryRule::attempts(1)), "1 attempts"),
            (MethodConfig::new().retry(RetryRule::attempts(2).codes([])), "one or more"),
            (MethodConfig::new().retry(RetryRule::attempts(2).codes([Code::Ok])), "not OK"),
            (MethodConfig::new().retry(RetryRule::attempts(2).pauses(none, one, 2.0)), "pause of 0"),
            (MethodConfig::new().retry(RetryRule::attempts(2).pauses(one, one, f64::NAN)), "grow by NaN"),
            (MethodConfig::new().retry(RetryRule::attempts(2).per_attempt(none)), "per attempt of 0"),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert_eq!(RetryRule::attempts(9).attempts, 5);
        MethodConfig::new().timeout(one).retry(RetryRule::attempts(2)).check().unwrap();
    }
}
