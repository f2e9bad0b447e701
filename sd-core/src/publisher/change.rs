//! What changes in a watched set.

use std::collections::HashSet;
use std::sync::Arc;

use imbl::OrdMap;

use crate::instance::Instance;

pub(super) type Instances = OrdMap<Arc<str>, Arc<Instance>>;

/// One change of a watched set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The instance is there as given.
    Put(Arc<Instance>),
    /// The instance with this id is gone.
    Remove(Arc<str>),
}

/// The last change of each instance: what comes and goes at once is none.
pub(super) fn last_of_each(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let mut changes: Vec<_> = changes.into_iter().collect();
    if changes.len() > 1 {
        let mut seen = HashSet::with_capacity(changes.len());
        changes.reverse();
        changes.retain(|change| {
            seen.insert(match change {
                Change::Put(instance) => instance.shared_id(),
                Change::Remove(id) => Arc::clone(id),
            })
        });
    }
    changes
}

/// Puts `instance` where a different one, or none, stood; says whether it did.
pub(super) fn put(set: &mut Instances, instance: &Arc<Instance>) -> bool {
    let differs = set.get(instance.id()) != Some(instance);
    if differs {
        set.insert(instance.shared_id(), Arc::clone(instance));
    }
    differs
}
