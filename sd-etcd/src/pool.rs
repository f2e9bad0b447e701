//! The one connection in use, and the change to another endpoint when it fails.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Error, Rotation, SingleFlight};
use tokio::time::Instant;

use crate::config::EtcdConfig;
use crate::dial::{Dialer, Session, at};
use crate::error::{Blame, Failure, failure};

/// The one connection in use, and the change to another endpoint when it fails.
#[derive(Debug)]
pub(crate) struct Pool {
    dialer: Dialer,
    rotation: Rotation,
    session: SingleFlight<Session>,
    request_timeout: Duration,
}

impl Pool {
    pub(crate) fn of(config: &EtcdConfig) -> Self {
        Self {
            dialer: Dialer::of(config),
            rotation: Rotation::new(config.endpoints.clone(), &*config.connection.randomness),
            session: SingleFlight::default(),
            request_timeout: config.request_timeout,
        }
    }

    /// When an act that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    pub(crate) fn endpoint(&self, session: &Session) -> &str {
        self.rotation.name(session.endpoint)
    }

    /// Sends one request over the connection in use, and judges what comes of it. Ends by `deadline`. Cancel safe: what
    /// was sent may have happened.
    pub(crate) async fn call<T, F>(
        &self,
        deadline: Instant,
        operation: &'static str,
        request: impl FnOnce(Arc<Session>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let session = self.session(deadline, operation).await?;
        let result = match tokio::time::timeout_at(deadline, request(Arc::clone(&session))).await {
            Ok(result) => result.map_err(|error| failure(error, operation)),
            Err(_) => Err(Failure::new(Error::unavailable("no answer in time").during(operation), Blame::Endpoint)),
        };
        result.map_err(|failure| self.judged(&session, failure))
    }

    /// The connection in use, or a new one.
    pub(crate) async fn session(&self, deadline: Instant, operation: &'static str) -> Result<Arc<Session>, Failure> {
        let connected = self.session.get(|| self.connect());
        match tokio::time::timeout_at(deadline, connected).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(Failure::new(error.during(operation), Blame::Nobody)),
            Err(_) => Err(Failure::new(
                Error::unavailable("no endpoint could be connected to in time").during(operation),
                Blame::Nobody,
            )),
        }
    }

    /// Draws the consequences of a failure for the connection it came over, and names that one in it.
    pub(crate) fn judged(&self, session: &Arc<Session>, mut failure: Failure) -> Failure {
        let given_up = failure.blame != Blame::Nobody && self.session.give_up(session);
        if given_up && failure.blame == Blame::Endpoint {
            self.rotation.fails(session.endpoint);
        }
        failure.error = at(failure.error, self.endpoint(session));
        failure
    }

    /// Tries the endpoints, the best first, until one answers.
    async fn connect(&self) -> Result<Session, Error> {
        let mut tried = Vec::new();
        let mut last = Error::unavailable("there is no endpoint");
        while let Some(endpoint) = self.rotation.next(&tried) {
            tried.push(endpoint);
            match self.dialer.dial(endpoint, self.rotation.name(endpoint)).await {
                Ok(session) => {
                    self.rotation.works(endpoint);
                    tracing::debug!(endpoint = self.rotation.name(endpoint), "connected to etcd");
                    return Ok(session);
                }
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "an endpoint of etcd does not answer");
                    last = failure.error;
                    if failure.blame == Blame::Credentials {
                        // It answers, and the others would say the same.
                        self.rotation.works(endpoint);
                        break;
                    }
                }
            }
        }
        Err(last)
    }
}
