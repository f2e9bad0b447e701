//! One connection to one host, and the requests over it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::error::{Failure, broken, refused};
use super::wire::Problem;

/// How many watches one connection carries: below what a peer has to take (RFC 9113, 6.5.2), with room for acts.
const MOST_WATCHES: usize = 64;
/// The largest answer to an act; the list of services is one.
const MOST_ANSWERED: usize = 64 << 20;
/// How much of a refusal is read.
const MOST_OF_A_REFUSAL: usize = 64 << 10;

/// A connection to one host that has answered. Dropping it ends it, and its tasks.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    /// `http://host:port` or `https://host:port`.
    pub(crate) origin: String,
    pub(crate) authorization: Option<HeaderValue>,
    /// Which one, in the rotation.
    pub(crate) endpoint: usize,
    pub(crate) watches: AtomicUsize,
    pub(crate) tasks: Arc<Tasks>,
}

impl Session {
    /// Whether it has ended by itself.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// An act: its answer, or its refusal.
    pub(crate) async fn act<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        operation: &'static str,
    ) -> Result<T, Failure> {
        let response = self.send(method, path, body, None, operation).await?;
        let body = Limited::new(response.into_body(), MOST_ANSWERED).collect().await;
        let body = body.map_err(|error| broken(operation, &*error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| {
            let mut failure = Failure::of_protocol(operation, "its answer is not that of a registry centre");
            failure.error = failure.error.with_source(error);
            failure
        })
    }

    /// Opens a stream of events.
    pub(crate) async fn events(
        &self,
        path: &str,
        last_event: Option<HeaderValue>,
        operation: &'static str,
    ) -> Result<Incoming, Failure> {
        const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
        let header = last_event.map(|value| (LAST_EVENT_ID, value));
        let response = self.send(Method::GET, path, Bytes::new(), header, operation).await?;
        let is_stream = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
        });
        if is_stream {
            Ok(response.into_body())
        } else {
            Err(Failure::of_protocol(operation, "it answered something else than a stream of events"))
        }
    }

    /// Sends a request, and waits for the head of its answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        header: Option<(HeaderName, HeaderValue)>,
        operation: &'static str,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(&method).uri(format!("{}{path}", self.origin));
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request = request.header(ACCEPT, "application/json, application/problem+json, text/event-stream");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| broken(operation, &error))?;
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(|error| broken(operation, &error))?;
        let response = sender.send_request(request).await.map_err(|error| broken(operation, &error))?;
        if matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
            return Ok(response);
        }
        let status = response.status();
        Err(refused(status, problem(response).await, operation))
    }

    /// Makes room for one more watch, unless there is none.
    pub(crate) fn take_place(self: &Arc<Self>) -> Option<WatchPlace> {
        let more = |watches| (watches < MOST_WATCHES).then_some(watches + 1);
        let taken = self.watches.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| WatchPlace { session: Arc::clone(self) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// What a refusal says about itself, if it says it as a centre does.
async fn problem(response: Response<Incoming>) -> Option<Problem> {
    let body = Limited::new(response.into_body(), MOST_OF_A_REFUSAL).collect().await.ok()?.to_bytes();
    let problem: Problem = serde_json::from_slice(&body).ok()?;
    problem.kind.starts_with("urn:sd:problem:").then_some(problem)
}

/// Room for a watch on a connection, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct WatchPlace {
    pub(crate) session: Arc<Session>,
}

impl Drop for WatchPlace {
    fn drop(&mut self) {
        self.session.watches.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The tasks of one connection, ended with it.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
    runtime: Handle,
}

impl Tasks {
    pub(crate) fn on(runtime: Handle) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), runtime })
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn_on(task, &self.runtime);
    }

    fn abort(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Lets hyper spawn among a connection's tasks. Weak: those tasks hold it themselves.
#[derive(Debug, Clone)]
pub(crate) struct Spawner(pub(crate) Weak<Tasks>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.spawn(task);
        }
    }
}
