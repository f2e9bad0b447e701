//! Is the agent there, does it know a leader and our token, how fast is it, which version?

use sd_core::{Error, ErrorKind, ProbeReport};
use tokio::time::Instant;

use crate::error::error;
use crate::registry::ConsulRegistry;

const OPERATION: &str = "probe";

impl ConsulRegistry {
    /// Asks for the leader, without whom nothing can be registered or read.
    pub(crate) async fn probe_agent(&self) -> Result<ProbeReport, Error> {
        let call = self.client.act(OPERATION);
        let started = Instant::now();
        let leader = self.client.leader(call).await?;
        let latency = started.elapsed();
        if leader.is_empty() {
            return Err(error(ErrorKind::Unavailable, OPERATION, "Consul has no leader now"));
        }
        let version = match self.client.version(call).await {
            Ok(version) => version,
            Err(failure) if failure.is_unknown_token() => return Err(failure.error),
            // Whoever may register need not be allowed to ask for the version.
            Err(failure) if failure.error.kind() == ErrorKind::Unauthorized => String::new(),
            Err(failure) => return Err(failure.error),
        };
        Ok(ProbeReport::new(latency, version, self.client.authority()))
    }
}
