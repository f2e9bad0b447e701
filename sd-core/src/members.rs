//! Who may be picked: what a balancer sees.

use std::sync::Arc;

use crate::chunked::Chunked;
use crate::instance::Instance;
use crate::load::{InstanceKey, Load};

/// One instance that may be picked, with its load.
#[derive(Debug)]
pub struct Member {
    instance: Arc<Instance>,
    load: Load,
}

impl Member {
    /// Who is known as `instance` from now on.
    pub(crate) fn new(instance: Arc<Instance>, load: &Load) -> Self {
        load.refresh(&instance);
        Self { instance, load: load.share() }
    }

    /// The instance.
    #[inline]
    #[must_use]
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// How busy it is.
    #[inline]
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// The (id, address) it is.
    #[inline]
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.load.key()
    }
}

/// Those who may be picked, without an order: what a balancer sees. Cheap to clone; two versions share what they have
/// in common.
#[derive(Debug, Clone)]
pub struct Members(pub(crate) Chunked<Arc<Member>>);

impl Members {
    /// How many there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at `index`.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Member>> {
        self.0.get(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Member>> + '_ {
        self.0.iter()
    }
}

impl FromIterator<Instance> for Members {
    /// Members with fresh loads: for tests of balancers.
    fn from_iter<I: IntoIterator<Item = Instance>>(instances: I) -> Self {
        let member = |(key, instance)| {
            let instance = Arc::new(instance);
            let load = Load::new(InstanceKey(key), Arc::clone(&instance));
            Arc::new(Member::new(instance, &load))
        };
        let mut members = Chunked::new();
        members.extend((0..).zip(instances).map(member).collect());
        Self(members)
    }
}
