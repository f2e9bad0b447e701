//! Who is there? The reading side of a registry.

use std::fmt;

use crate::publisher::Publisher;
use crate::service::ServiceName;
use crate::snapshot::Snapshot;
use crate::staleness::StalenessPolicy;
use crate::subscription::Subscription;
use crate::{Instance, defaults};

/// Who is there? The reading side of a registry.
///
/// # Contract
/// `subscribe` answers at once, never fails and never blocks, inside a runtime or not: what is known, and what went
/// wrong, stands in the [`Snapshot`]. Subscribers see the latest state and coalesce; one that doesn't read blocks
/// nobody. Empty, unknown and failed are three different states. While the registry can't be reached the last known
/// instances stay, marked stale, also for one who subscribes during the outage. One connection watches one service
/// once, however many subscribe; the watch ends when the last subscriber is gone, after a linger, and leaves no task.
pub trait Instancer: fmt::Debug + Send + Sync {
    /// The instances of `service`, and word of every change.
    fn subscribe(&self, service: &ServiceName) -> Subscription;
}

/// A fixed set of instances, the same for every service: for tests, and for programs without a registry.
///
/// ```
/// # use sd_core::{Address, FixedInstancer, Instance, Instancer};
/// let instancer = FixedInstancer::new([Instance::new("127.0.0.1:80".parse::<Address>()?)]);
/// assert_eq!(instancer.subscribe(&"book".parse()?).snapshot().len(), 1);
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FixedInstancer {
    publisher: Publisher,
}

impl FixedInstancer {
    /// These instances; of two with one id the last stands.
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Self {
        let publisher = Publisher::new(StalenessPolicy::default(), defaults::TTL);
        publisher.replace(instances.into_iter().map(std::sync::Arc::new));
        Self { publisher }
    }

    /// The write half, for a test that changes the set.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// What every subscriber sees now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.publisher.current()
    }
}

impl Instancer for FixedInstancer {
    fn subscribe(&self, _service: &ServiceName) -> Subscription {
        self.publisher.subscribe().keeping(std::sync::Arc::new(self.publisher.clone()))
    }
}
