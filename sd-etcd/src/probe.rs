//! Is etcd there, does it let us in, how fast is it, which version?

use std::sync::Arc;

use etcd_client::GetOptions;
use sd_core::{Error, ProbeReport};
use tokio::time::Instant;

use crate::dial::Session;
use crate::registry::EtcdRegistry;

const OPERATION: &str = "probe";

impl EtcdRegistry {
    /// Reads one key where services stand, which needs what registering and watching need: a leader and the right.
    pub(crate) async fn probe_etcd(&self) -> Result<ProbeReport, Error> {
        let deadline = self.pool.deadline();
        let session = self.pool.session(deadline, OPERATION).await.map_err(|failure| failure.error)?;
        let range = self.layout.whole_range();
        let options = GetOptions::new().with_range(range.end).with_limit(1).with_keys_only();
        let get = |session: Arc<Session>| async move { session.kv().get(range.start, Some(options)).await };
        let started = Instant::now();
        self.pool.call(deadline, OPERATION, get).await.map_err(|failure| failure.error)?;
        let latency = started.elapsed();
        let status = |session: Arc<Session>| async move { session.maintenance().status().await };
        // Whoever may read need not be allowed to ask for the status.
        let version = match self.pool.call(deadline, OPERATION, status).await {
            Ok(status) => status.version().to_owned(),
            Err(_) => String::new(),
        };
        Ok(ProbeReport::new(latency, version, self.pool.endpoint(&session)))
    }
}
