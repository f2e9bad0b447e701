//! Is the centre there, does it let us in, how fast is it, which version?

use bytes::Bytes;
use http::Method;
use sd_core::{Error, ProbeReport};
use tokio::time::Instant;

use super::error::Failure;
use super::registry::CentreRegistry;
use super::wire::{STATUS, Status};

const OPERATION: &str = "probe";

impl CentreRegistry {
    /// Asks for the centre's state, which whoever has a token may.
    pub(crate) async fn probe_centre(&self) -> Result<ProbeReport, Error> {
        let deadline = self.pool.deadline();
        // Connected first, so that what is measured is the round trip alone.
        let session = self.pool.session(deadline, OPERATION).await.map_err(|failure| failure.error)?;
        let started = Instant::now();
        let asked = session.act::<Status>(Method::GET, STATUS, Bytes::new(), OPERATION);
        let answer = match tokio::time::timeout_at(deadline, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::of_endpoint(OPERATION, "no answer in time")),
        };
        let status = answer.map_err(|failure| self.pool.judged(&session, failure).error)?;
        Ok(ProbeReport::new(started.elapsed(), status.version, self.pool.endpoint(&session)))
    }
}
