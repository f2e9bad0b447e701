//! What changed between two snapshots.

use std::sync::Arc;

use imbl::ordmap::DiffItem;

use crate::instance::Instance;
use crate::snapshot::Snapshot;

/// What changed between two snapshots; each list is in the ids' order.
///
/// Right by id whatever the two are: neighbours, far apart, or of different watches. Its cost is that of the parts that
/// the two do not share, not of their size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta {
    /// Instances whose id was not there before.
    pub added: Vec<Arc<Instance>>,
    /// Instances that are there under the same id, and differ.
    pub changed: Vec<Arc<Instance>>,
    /// Instances whose id is gone, as they were.
    pub removed: Vec<Arc<Instance>>,
}

impl Delta {
    /// What must be done to `old` to get `new`.
    #[must_use]
    pub fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let mut delta = Self::default();
        for item in old.instances.diff(&new.instances) {
            match item {
                DiffItem::Add(_, instance) => delta.added.push(Arc::clone(instance)),
                DiffItem::Update { new: (_, instance), .. } => delta.changed.push(Arc::clone(instance)),
                DiffItem::Remove(_, instance) => delta.removed.push(Arc::clone(instance)),
            }
        }
        delta
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn snapshot(weights: &BTreeMap<u16, u32>) -> Snapshot {
        let mut snapshot = Snapshot::pending();
        for (port, weight) in weights {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], port + 1));
            let instance = Instance::new(address).with_weight(*weight);
            snapshot.instances.insert(instance.shared_id(), Arc::new(instance));
        }
        snapshot
    }

    fn ids(instances: &[Arc<Instance>]) -> Vec<(String, u32)> {
        instances.iter().map(|instance| (instance.id().to_owned(), instance.weight())).collect()
    }

    proptest! {
        #[test]
        fn applied_to_the_old_it_gives_the_new(
            old in prop::collection::btree_map(0u16..300, 0u32..3, 0..200),
            new in prop::collection::btree_map(0u16..300, 0u32..3, 0..200),
        ) {
            let (old, new) = (snapshot(&old), snapshot(&new));
            let delta = Delta::between(&old, &new);
            let mut result = old.clone();
            for gone in &delta.removed {
                prop_assert!(result.instances.remove(gone.id()).is_some());
            }
            for instance in &delta.added {
                prop_assert!(result.instances.insert(instance.shared_id(), Arc::clone(instance)).is_none());
            }
            for instance in &delta.changed {
                let before = result.instances.insert(instance.shared_id(), Arc::clone(instance));
                prop_assert!(before.is_some_and(|before| before != *instance));
            }
            prop_assert_eq!(&result.instances, &new.instances);
            for list in [&delta.added, &delta.changed, &delta.removed] {
                prop_assert!(list.windows(2).all(|pair| pair[0].id() < pair[1].id()));
            }
        }

        #[test]
        fn equal_sets_that_share_nothing_differ_in_nothing(
            weights in prop::collection::btree_map(0u16..300, 0u32..3, 0..200),
        ) {
            prop_assert!(Delta::between(&snapshot(&weights), &snapshot(&weights)).is_empty());
        }
    }

    #[test]
    fn each_kind_of_change_stands_in_its_list() {
        let old = snapshot(&BTreeMap::from([(1, 1), (2, 1), (3, 1)]));
        let new = snapshot(&BTreeMap::from([(1, 1), (2, 5), (4, 1)]));
        let delta = Delta::between(&old, &new);
        assert_eq!(ids(&delta.added), [("127.0.0.1:5".to_owned(), 1)]);
        assert_eq!(ids(&delta.changed), [("127.0.0.1:3".to_owned(), 5)]);
        assert_eq!(ids(&delta.removed), [("127.0.0.1:4".to_owned(), 1)]);
    }
}
