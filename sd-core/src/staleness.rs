//! What to do with a set that grows old, or that shrinks too much at once.

use std::time::Duration;

use crate::defaults;
use crate::error::Error;

/// What to do with a set that grows old, or that shrinks too much at once.
///
/// By default a stale set is kept without limit, and a set that was read again after a break and lacks more than half
/// of what was known is held for the longer of three TTLs and 30 s: a registry that comes back wiped does not empty a
/// fleet while everyone registers anew.
#[derive(Debug, Clone, PartialEq)]
pub struct StalenessPolicy {
    pub(crate) invalidate_after: Option<Duration>,
    pub(crate) hold_share: f64,
    pub(crate) hold_grace: Option<Duration>,
    pub(crate) hold_age_limit: Duration,
    pub(crate) hold_live: bool,
}

impl Default for StalenessPolicy {
    fn default() -> Self {
        Self {
            invalidate_after: None,
            hold_share: defaults::HOLD_SHARE,
            hold_grace: None,
            hold_age_limit: defaults::HOLD_AGE_LIMIT,
            hold_live: false,
        }
    }
}

impl StalenessPolicy {
    /// Drops a set that has been stale for this long; by default it is kept for ever.
    #[must_use]
    pub fn invalidate_after(mut self, age: Duration) -> Self {
        self.invalidate_after = Some(age);
        self
    }

    /// Holds a set that lost more than `share` of what was known at once: 0 to 1, where 1 never holds.
    ///
    /// # Errors
    /// `Config` for a share that is not between 0 and 1.
    pub fn hold_share(mut self, share: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::config(format!("hold share {share}: allowed are 0 to 1")));
        }
        self.hold_share = share;
        Ok(self)
    }

    /// How long it is held; by default three TTLs, and at least 30 s.
    #[must_use]
    pub fn hold_grace(mut self, grace: Duration) -> Self {
        self.hold_grace = Some(grace);
        self
    }

    /// No instance that is missing is held longer than this, however often a hold is renewed. Default 5 min.
    #[must_use]
    pub fn hold_age_limit(mut self, limit: Duration) -> Self {
        self.hold_age_limit = limit;
        self
    }

    /// Holds mass removals that a live watch saw, too; off by default, since a live registry is believed.
    #[must_use]
    pub fn hold_live(mut self, hold: bool) -> Self {
        self.hold_live = hold;
        self
    }

    /// How long missing instances are held, for registrations that live `ttl`.
    pub(crate) fn grace(&self, ttl: Duration) -> Duration {
        self.hold_grace.unwrap_or_else(|| defaults::HOLD_GRACE.max(ttl.saturating_mul(3))).min(self.hold_age_limit)
    }

    /// Whether losing `lost` of `known` is too much at once.
    pub(crate) fn is_mass_removal(&self, lost: usize, known: usize) -> bool {
        lost > 0 && lost as f64 > known as f64 * self.hold_share
    }
}
