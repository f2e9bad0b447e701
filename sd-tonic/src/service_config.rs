//! gRPC's service config: which policy, and what holds for which method.

mod json;

use std::collections::HashMap;
use std::sync::Arc;

use sd_core::{Balancer, Error};

use crate::method_config::MethodConfig;
use crate::policies::Policies;
use crate::throttle::Throttle;

/// gRPC's service config: which policy picks, what holds for which method, and when retries stop.
///
/// Written in Rust, or read from the JSON that gRPC has for it:
///
/// ```
/// use sd_tonic::ServiceConfig;
///
/// let config = ServiceConfig::from_json(r#"{
///     "loadBalancingConfig": [{ "round_robin": {} }],
///     "methodConfig": [{
///         "name": [{ "service": "book.BookService", "method": "GetBookInfo" }],
///         "timeout": "1.5s",
///         "retryPolicy": {
///             "maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
///             "retryableStatusCodes": ["UNAVAILABLE"]
///         }
///     }]
/// }"#)?;
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServiceConfig {
    pub(crate) balancer: Option<Arc<dyn Balancer>>,
    pub(crate) throttle: Option<Throttle>,
    /// By `/service/method`, `/service/`, and nothing for all.
    methods: HashMap<String, MethodConfig>,
}

impl ServiceConfig {
    /// Nothing but the channel's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads gRPC's JSON, with the policies `round_robin` and `random`.
    ///
    /// Known are `loadBalancingConfig` (of the policies listed, the first that is known), the older
    /// `loadBalancingPolicy` and Go's `LoadBalancingPolicy`, `methodConfig` with `name`, `waitForReady`, `timeout` and
    /// `retryPolicy` (also `perAttemptRecvTimeout`), and `retryThrottling`.
    ///
    /// # Errors
    /// `Config` for what is malformed, unknown, contradictory or not supported, naming it: a field that nobody reads is
    /// a slip of the pen.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        Self::from_json_with(json, &Policies::default())
    }

    /// The same with policies of your own.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn from_json_with(json: &str, policies: &Policies) -> Result<Self, Error> {
        json::read(json, policies).map_err(|error| error.during("service config"))
    }

    /// Says what holds for all methods of which nothing nearer is said.
    #[must_use]
    pub fn all(self, config: MethodConfig) -> Self {
        self.with(String::new(), config)
    }

    /// Says what holds for the methods of a service, by its full name: `book.BookService`.
    #[must_use]
    pub fn service(self, service: &str, config: MethodConfig) -> Self {
        self.with(format!("/{service}/"), config)
    }

    /// Says what holds for one method.
    #[must_use]
    pub fn method(self, service: &str, method: &str, config: MethodConfig) -> Self {
        self.with(format!("/{service}/{method}"), config)
    }

    /// Stops retries while calls fail: each failed attempt takes one of `most` tokens (up to 1000), each answer gives
    /// `ratio` of one back, and nothing is tried again unless more than half are there. Default: 20 % of calls and 10
    /// per second may be retried.
    ///
    /// # Errors
    /// `Config` for numbers outside of that.
    pub fn throttle(mut self, most: f64, ratio: f64) -> Result<Self, Error> {
        self.throttle = Some(Throttle::new(most, ratio)?);
        Ok(self)
    }

    fn with(mut self, name: String, config: MethodConfig) -> Self {
        self.methods.insert(name, config);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.methods.iter().try_for_each(|(name, config)| {
            let whose = if name.is_empty() { "all methods" } else { name };
            config.check().map_err(|error| Error::config(format!("{whose}: {}", error.message())))
        })
    }

    /// What holds for the method at `path`, the nearest first.
    pub(crate) fn of(&self, path: &str) -> Option<&MethodConfig> {
        if self.methods.is_empty() {
            return None;
        }
        let service = path.rfind('/').map_or("", |slash| &path[..=slash]);
        self.methods.get(path).or_else(|| self.methods.get(service)).or_else(|| self.methods.get(""))
    }
}

#[cfg(test)]
#[path = "service_config_tests.rs"]
mod tests;
