//! Is the registry there, does it let us in, how fast is it, which version?

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;

/// What a registry answered to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// The round trip of one small request.
    pub latency: Duration,
    /// The registry's version, as it says it; empty where it says none.
    pub version: String,
    /// Which of the hosts answered, as `host:port`; empty where there is none.
    pub endpoint: String,
}

impl ProbeReport {
    /// What was seen.
    pub fn new(latency: Duration, version: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self { latency, version: version.into(), endpoint: endpoint.into() }
    }
}

/// Is the registry there, does it let us in?
///
/// # Contract
/// `probe` answers within 5 s. An error's kind tells apart what can't be reached (`Unavailable`) and what refuses our
/// credentials (`Unauthorized`).
#[async_trait]
pub trait Probe: Send + Sync {
    /// Makes one small request.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn probe(&self) -> Result<ProbeReport, Error>;
}
