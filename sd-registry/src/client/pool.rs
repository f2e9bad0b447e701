//! The one connection in use, and the change to another host when it fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use sd_core::{Error, ErrorKind, Rotation, SingleFlight};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::config::RegistryConfig;
use super::dial::Dialer;
use super::error::{Blame, Failure, at, error};
use super::session::{Session, WatchPlace};

/// How many acts are under way at once. More would only wait at the other end, where their time runs out; and
/// heartbeats, which do not wait here, would wait there behind them.
const MOST_ACTS: usize = 64;

/// What a request carries.
pub(crate) type Body = Full<Bytes>;

/// The one connection in use, and the change to another host when it fails.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Shared with an attempt to connect, which runs on the connection's own runtime.
    connector: Arc<Connector>,
    session: SingleFlight<Session>,
    request_timeout: Duration,
    turns: Semaphore,
    runtime: Handle,
    /// Told when a connection has ended: whoever holds something there should look at it soon.
    pub(crate) ended: Arc<Notify>,
}

#[derive(Debug)]
struct Connector {
    dialer: Dialer,
    rotation: Rotation,
}

impl Pool {
    pub(crate) fn of(config: &RegistryConfig, runtime: Handle) -> Self {
        let ended = Arc::new(Notify::new());
        let dialer = Dialer::of(config, runtime.clone(), Arc::clone(&ended));
        let rotation = Rotation::new(config.endpoints.clone(), &*config.connection.randomness);
        Self {
            connector: Arc::new(Connector { dialer, rotation }),
            session: SingleFlight::default(),
            request_timeout: config.request_timeout,
            turns: Semaphore::new(MOST_ACTS),
            runtime,
            ended,
        }
    }

    /// When an act that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    pub(crate) fn endpoint(&self, session: &Session) -> &str {
        self.connector.rotation.name(session.endpoint)
    }

    /// Sends a JSON body, and reads the JSON that is answered. Ends within the request timeout, or twice that where it
    /// has to wait for its turn. Cancel safe: what was sent may have happened.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        operation: &'static str,
    ) -> Result<T, Failure> {
        let _turn = match tokio::time::timeout(self.request_timeout, self.turns.acquire()).await {
            Ok(turn) => turn,
            Err(_) => {
                let busy = Error::unavailable("other requests of this connection have taken all the time");
                return Err(Failure::new(busy.during(operation), Blame::Nobody));
            }
        };
        self.post_now(self.deadline(), path, body, operation).await
    }

    /// As [`post`](Self::post), out of turn, and by `deadline`.
    pub(crate) async fn post_now<T: DeserializeOwned>(
        &self,
        deadline: Instant,
        path: &str,
        body: &(impl Serialize + Sync),
        operation: &'static str,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|cause| {
            let error = error(ErrorKind::Config, operation, "it can't be written as JSON");
            Failure::new(error.with_source(cause), Blame::Nobody)
        })?;
        self.act(deadline, Method::POST, path, body.into(), operation).await
    }

    /// Reads JSON. Ends by `deadline`. Cancel safe.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        deadline: Instant,
        path: &str,
        operation: &'static str,
    ) -> Result<T, Failure> {
        self.act(deadline, Method::GET, path, Bytes::new(), operation).await
    }

    async fn act<T: DeserializeOwned>(
        &self,
        deadline: Instant,
        method: Method,
        path: &str,
        body: Bytes,
        operation: &'static str,
    ) -> Result<T, Failure> {
        let session = self.session(deadline, operation).await?;
        let result = match tokio::time::timeout_at(deadline, session.act(method, path, body, operation)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::of_endpoint(operation, "no answer in time")),
        };
        result.map_err(|failure| self.judged(&session, failure))
    }

    /// The connection in use, or a new one.
    pub(crate) async fn session(&self, deadline: Instant, operation: &'static str) -> Result<Arc<Session>, Failure> {
        loop {
            let connected = self.session.get(|| self.connect());
            match tokio::time::timeout_at(deadline, connected).await {
                // The other side ended it while nobody asked for anything: no host is to blame.
                Ok(Ok(session)) if session.is_closed() => drop(self.session.give_up(&session)),
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => return Err(Failure::new(error.during(operation), Blame::Nobody)),
                Err(_) => {
                    let late = Error::unavailable("no host could be connected to in time").during(operation);
                    return Err(Failure::new(late, Blame::Nobody));
                }
            }
        }
    }

    /// Room for a watch on a connection: the one in use, or a new one when that is full, which then is in use.
    pub(crate) async fn watch_place(&self, deadline: Instant, operation: &'static str) -> Result<WatchPlace, Failure> {
        loop {
            let session = self.session(deadline, operation).await?;
            if let Some(place) = session.take_place() {
                return Ok(place);
            }
            // It lives on for the watches that it carries.
            self.session.give_up(&session);
        }
    }

    /// Draws the consequences of a failure for the connection it came over, and names that one in it.
    pub(crate) fn judged(&self, session: &Arc<Session>, mut failure: Failure) -> Failure {
        let given_up = failure.blame != Blame::Nobody && self.session.give_up(session);
        if given_up && failure.blame == Blame::Endpoint {
            self.connector.rotation.fails(session.endpoint);
        }
        failure.error = at(failure.error, self.endpoint(session));
        failure
    }

    /// On the connection's own runtime: whoever asks may be on one that ends sooner.
    async fn connect(&self) -> Result<Session, Error> {
        let connector = Arc::clone(&self.connector);
        let mut attempt = Owned(self.runtime.spawn(async move { connector.connect().await }));
        match (&mut attempt.0).await {
            Ok(result) => result,
            Err(ended) => Err(Error::new(ErrorKind::Closed, "the connection's runtime has ended").with_source(ended)),
        }
    }
}

impl Connector {
    /// Tries the hosts, the best first, until one answers.
    async fn connect(&self) -> Result<Session, Error> {
        let mut tried = Vec::new();
        let mut last = Error::unavailable("there is no host");
        while let Some(endpoint) = self.rotation.next(&tried) {
            tried.push(endpoint);
            let authority = self.rotation.name(endpoint);
            match self.dialer.dial(endpoint, authority).await {
                Ok(session) => {
                    self.rotation.works(endpoint);
                    tracing::debug!(endpoint = authority, "connected to a registry centre");
                    return Ok(session);
                }
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "a host of the centre does not answer");
                    last = failure.error;
                    if failure.blame == Blame::Nobody {
                        // Our own credentials can't be read: the others would not be reached either.
                        self.rotation.works(endpoint);
                        break;
                    }
                }
            }
        }
        Err(last)
    }
}

/// A task that ends when nobody waits for it any more.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
