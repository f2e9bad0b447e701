//! Which instances a client wants at all.

use std::fmt;
use std::sync::Arc;

use crate::instance::Instance;

/// Which instances a client wants at all: by tag, metadata, zone, version, or any test of its own. Works the same on
/// every backend, and changing it reconnects nobody.
///
/// ```
/// # use sd_core::Filter;
/// let filter = Filter::zone("eu-1").and(Filter::tag("blue").or(Filter::version("2")));
/// ```
#[derive(Clone)]
pub struct Filter(Arc<dyn Fn(&Instance) -> bool + Send + Sync>);

impl Filter {
    /// Those for which `wanted` says yes. It is asked once per change of an instance, never per request.
    pub fn new(wanted: impl Fn(&Instance) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(wanted))
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self::new(|_| true)
    }

    /// Those with this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        let tag = tag.into();
        Self::new(move |instance| instance.has_tag(&tag))
    }

    /// Those with this pair of metadata.
    pub fn metadata(key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        Self::new(move |instance| instance.metadata().get(&key) == Some(&value))
    }

    /// Those in this zone.
    pub fn zone(zone: impl Into<String>) -> Self {
        let zone = zone.into();
        Self::new(move |instance| instance.zone() == Some(&zone))
    }

    /// Those whose metadata says `version` so.
    pub fn version(version: impl Into<String>) -> Self {
        Self::metadata("version", version)
    }

    /// Those that both want.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move |instance| self.wants(instance) && other.wants(instance))
    }

    /// Those that either wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(move |instance| self.wants(instance) || other.wants(instance))
    }

    /// Those that this one does not want.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::new(move |instance| !self.wants(instance))
    }

    /// Whether this instance is wanted.
    #[must_use]
    pub fn wants(&self, instance: &Instance) -> bool {
        (self.0)(instance)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}
