//! Is ZooKeeper there, does it let us in, how fast is it, which version?

use std::time::Duration;

use sd_core::{Error, ProbeReport};
use tokio::time::Instant;

use crate::error::answer;
use crate::registry::ZooKeeperRegistry;

const OPERATION: &str = "probe";

/// How long the question for the version may take; the probe does without, where it is not answered.
const VERSION_BOUND: Duration = Duration::from_secs(1);

impl ZooKeeperRegistry {
    /// Lists what stands below the root's own node, which needs what watching needs: a session and the right to read.
    pub(crate) async fn probe_zookeeper(&self) -> Result<ProbeReport, Error> {
        let deadline = self.sessions.deadline();
        let session = self.sessions.open(deadline, OPERATION).await?;
        let client = session.ready(deadline, OPERATION).await?;
        let started = Instant::now();
        match answer(deadline, OPERATION, client.get_data(self.paths.root())).await {
            Err(failure) if failure.said != zookeeper_client::Error::NoNode => return Err(failure.error),
            // Where nothing was ever registered, the root is not there yet.
            _ => {}
        }
        let latency = started.elapsed();
        // The client does not tell which host it is connected to, so the one that answers first stands for all.
        let (endpoint, version) = self.sessions.dialer().version(VERSION_BOUND).await.unwrap_or_default();
        Ok(ProbeReport::new(latency, version, endpoint))
    }
}
