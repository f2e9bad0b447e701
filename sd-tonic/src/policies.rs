//! Policies by the names that service configs give them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sd_core::Balancer;
use sd_lb::{Random, RoundRobin};

type Make = Arc<dyn Fn() -> Arc<dyn Balancer> + Send + Sync>;

/// Policies by the names that service configs give them: `round_robin` and `random`, and your own.
#[derive(Clone)]
pub struct Policies(BTreeMap<String, Make>);

impl Policies {
    /// Adds one; each channel gets its own.
    #[must_use]
    pub fn with<B: Balancer>(mut self, name: impl Into<String>, make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        self.0.insert(name.into(), Arc::new(move || Arc::new(make())));
        self
    }

    pub(crate) fn policy(&self, name: &str) -> Option<Arc<dyn Balancer>> {
        self.0.get(name).map(|make| make())
    }

    pub(crate) fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self(BTreeMap::new()).with("round_robin", RoundRobin::new).with("random", Random::new)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policies").field(&self.names()).finish()
    }
}
