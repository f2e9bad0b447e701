//! What a publisher remembers beside the set: what is held, since when it is stale, where to go on.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Cursor;
use super::change::Instances;
use crate::snapshot::Basis;
use crate::staleness::StalenessPolicy;

#[derive(Debug)]
pub(super) struct State {
    pub(super) policy: StalenessPolicy,
    pub(super) ttl: Duration,
    /// Kept although the registry no longer holds them: id, and since when.
    pub(super) missing: BTreeMap<Arc<str>, Instant>,
    pub(super) hold_until: Option<Instant>,
    pub(super) stale_since: Option<Instant>,
    /// What was known when it was dropped for its age: a session that resumes goes on from there.
    pub(super) invalidated: Option<Instances>,
    /// Whether a session broke since the set was last read whole.
    pub(super) broken: bool,
    pub(super) cursor: Option<Cursor>,
    pub(super) kept: Option<Box<dyn Any + Send>>,
    pub(super) skipped: HashMap<String, u64>,
}

impl State {
    /// Keeps `lost`, each from now on, until the grace is over or the first of them reaches the age limit.
    pub(super) fn hold(&mut self, lost: &[Arc<str>]) {
        let now = Instant::now();
        for id in lost {
            self.missing.entry(Arc::clone(id)).or_insert(now);
        }
        let grace = self.policy.grace(self.ttl);
        let newest = self.missing.values().max().copied().unwrap_or(now);
        let oldest = self.missing.values().min().copied().unwrap_or(now);
        self.hold_until = Some((newest + grace).min(oldest + self.policy.hold_age_limit));
    }

    pub(super) fn release(&mut self) {
        self.missing.clear();
        self.hold_until = None;
    }

    pub(super) fn basis(&self) -> Basis {
        if self.invalidated.is_some() {
            return Basis::Invalidated;
        }
        match self.hold_until {
            Some(until) => Basis::Held { missing: self.missing.len(), until: until.into_std() },
            None if self.stale_since.is_some() => Basis::LastKnownGood,
            None => Basis::Registry,
        }
    }

    pub(super) fn invalidates_at(&self) -> Option<Instant> {
        self.invalidated.is_none().then_some(())?;
        Some(self.stale_since? + self.policy.invalidate_after?)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.hold_until, self.invalidates_at()].into_iter().flatten().min()
    }
}
