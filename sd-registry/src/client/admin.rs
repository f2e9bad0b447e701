//! Acts on other processes' entries.

use sd_core::{Error, ServiceName};
use serde::de::IgnoredAny;

use super::registry::CentreRegistry;
use super::wire::{DEREGISTER, DRAIN, Named};

impl CentreRegistry {
    /// Marks an instance as draining; its lease and its owner stay.
    pub(crate) async fn drain_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.act_on(DRAIN, "drain", service, id).await
    }

    /// Takes an instance away, whosoever it is.
    pub(crate) async fn deregister_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.act_on(DEREGISTER, "deregister", service, id).await
    }

    async fn act_on(&self, path: &str, operation: &'static str, service: &ServiceName, id: &str) -> Result<(), Error> {
        let body = Named { service: service.as_str(), id, owner: None };
        let done = self.pool.post::<IgnoredAny>(path, &body, operation).await;
        done.map(drop).map_err(|failure| failure.error)
    }
}
