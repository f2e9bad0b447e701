//! What is known of a service, how fresh it is, and why it is as it is.

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;

use crate::error::Error;
use crate::instance::Instance;

#[allow(clippy::disallowed_types, reason = "instants in public are std's; these are made from tokio's clock")]
type Instant = std::time::Instant;

/// How fresh a [`Snapshot`] is. Empty, unknown and failed are three different things.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Freshness {
    /// Nothing has ever been known; `error` says what is in the way, if anything is.
    Pending {
        /// The newest failure.
        error: Option<Error>,
    },
    /// The registry is being watched, and this is what it holds.
    Live,
    /// The registry can't be watched; this is what it held last.
    Stale {
        /// Since when.
        since: Instant,
        /// What is in the way.
        error: Error,
    },
}

impl Freshness {
    /// Whether nothing has ever been known.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// Whether the registry is being watched.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether this is what the registry held last, and it can't be watched now.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// How long it has been stale; `None` when it is not.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        match self {
            Self::Stale { since, .. } => Some(tokio::time::Instant::now().saturating_duration_since((*since).into())),
            _ => None,
        }
    }

    /// What is in the way, if anything is.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Pending { error } => error.as_ref(),
            Self::Live => None,
            Self::Stale { error, .. } => Some(error),
        }
    }
}

/// Why the instances of a [`Snapshot`] are the ones they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Basis {
    /// Nothing has ever been known.
    Unknown,
    /// They are what the registry holds.
    Registry,
    /// They are what the registry held when it could last be watched.
    LastKnownGood,
    /// The registry holds far fewer than a moment ago; `missing` of them are kept until `until`.
    Held {
        /// How many are kept that the registry no longer holds.
        missing: usize,
        /// When they go, unless they come back.
        until: Instant,
    },
    /// They were dropped, because the registry could not be watched for too long.
    Invalidated,
}

/// What is known of a service at one moment. Cheap to clone; two that follow each other share what they have in common.
///
/// Instances are unique by id and iterated in the ids' order. Versions grow by one with every publication of one watch
/// and may start again with a new watch: compare them for difference, not for order.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) instances: OrdMap<Arc<str>, Arc<Instance>>,
    pub(crate) freshness: Freshness,
    pub(crate) basis: Basis,
    pub(crate) skipped: usize,
    pub(crate) version: u64,
}

impl Snapshot {
    /// The snapshot before anything is known.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            instances: OrdMap::new(),
            freshness: Freshness::Pending { error: None },
            basis: Basis::Unknown,
            skipped: 0,
            version: 0,
        }
    }

    /// How many instances are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether no instance is known; [`freshness`](Self::freshness) tells whether that is because there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// The instances, in their ids' order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Instance>> + '_ {
        self.instances.values()
    }

    /// The instance with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Instance>> {
        self.instances.get(id)
    }

    /// How fresh this is.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Why the instances are the ones they are.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// How many entries of the registry were left out because they can't be read.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The number of this publication within its watch.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}
