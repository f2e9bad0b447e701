//! One request and its answer: bounded in time, with our token, over an HTTP client of our making.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustify::Endpoint;
use sd_core::{Error, ErrorKind};
use tokio::time::{Instant, timeout, timeout_at};

use super::tls::{Tls, named};
use super::token::Token;
use crate::error::{Failure, NAME, error};

/// How many connections are kept open without a request on them.
const IDLE: usize = 8;
/// The largest answer that is taken: 10,000 instances are 20 MB.
const MAX_BYTES: usize = 512 << 20;

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until its beginning.
    pub(crate) head: Instant,
    /// For each further piece of it.
    pub(crate) piece: Duration,
    /// Until its end, where that is bounded.
    pub(crate) end: Option<Instant>,
}

impl Patience {
    /// All of it until then.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { head: deadline, piece: Duration::from_secs(3600), end: Some(deadline) }
    }
}

/// What Consul answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// `X-Consul-Index`.
    pub(crate) index: Option<u64>,
}

/// Sends requests to one agent.
pub(crate) struct Transport {
    /// `http://host:port/v1`. The version stands here and not, as in consulrs, in a middleware that takes the finished
    /// URL apart: putting that together again encodes every percent sign a second time.
    base: String,
    /// `host:port`, as configured.
    pub(crate) authority: Arc<str>,
    token: Token,
    tls: Option<Tls>,
    /// Only with TLS.
    server_name: Option<String>,
    connect_timeout: Duration,
    http: Mutex<Option<Arc<reqwest::Client>>>,
}

impl Transport {
    pub(crate) fn new(
        authority: &str,
        token: Token,
        tls: Option<Tls>,
        server_name: Option<&str>,
        connect_timeout: Duration,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        let host = server_name.map(|name| format!("{name}:{port}"));
        Self {
            base: format!("{scheme}://{}/v1", host.as_deref().unwrap_or(authority)),
            authority: authority.into(),
            token,
            tls,
            server_name: server_name.map(str::to_owned),
            connect_timeout,
            http: Mutex::default(),
        }
    }

    /// How many tokens there were before the present one.
    pub(crate) fn token_generation(&self) -> u64 {
        self.token.generation()
    }

    /// Sends one request. Cancel safe as far as the request goes: Consul may have done by then what it asks for.
    ///
    /// The endpoint makes the request, and is not executed by rustify: that logs an error for every failure, which in an
    /// outage is a line per heartbeat.
    ///
    /// # Errors
    /// Any status but 200, and no answer in time.
    pub(crate) async fn send<E: Endpoint>(
        &self,
        endpoint: E,
        patience: Patience,
        operation: &'static str,
    ) -> Result<Answer, Failure> {
        let broken = |error: Error| Failure::unanswered(error.during(operation));
        let http = self.client().await.map_err(broken)?;
        let token = self.token.current().await.map_err(broken)?;
        let result = self.send_once(&http, &endpoint, token.as_ref(), patience, operation).await;
        let result = match (result, token) {
            (Err(failure), Some(refused)) if matches!(failure.status, Some(401 | 403)) => {
                match self.token.instead_of(&refused).await {
                    Some(token) => self.send_once(&http, &endpoint, Some(&token), patience, operation).await,
                    None => Err(failure),
                }
            }
            (result, _) => result,
        };
        if let Err(failure) = &result
            && failure.status.is_none()
        {
            self.forget(&http);
        }
        result
    }

    async fn send_once<E: Endpoint>(
        &self,
        http: &reqwest::Client,
        endpoint: &E,
        token: Option<&HeaderValue>,
        patience: Patience,
        operation: &'static str,
    ) -> Result<Answer, Failure> {
        let request = endpoint.request(&self.base).map_err(|error| self.malformed(&error, operation))?;
        let mut request = reqwest::Request::try_from(request).map_err(|error| self.malformed(&error, operation))?;
        if let Some(token) = token {
            request.headers_mut().insert("X-Consul-Token", token.clone());
        }
        let mut response = match timeout_at(patience.head, http.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(cause)) => return Err(self.unreachable(&cause, operation)),
            Err(_) => return Err(self.silent(operation)),
        };
        let status = response.status().as_u16();
        let index = number(response.headers(), "X-Consul-Index");
        let length = response.content_length().unwrap_or_default();
        // One buffer that grows in place; collecting the pieces first would hold a large answer twice.
        let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX).min(MAX_BYTES));
        loop {
            let piece = timeout(patience.piece, response.chunk());
            let piece = match patience.end {
                Some(end) => timeout_at(end, piece).await.unwrap_or_else(Err),
                None => piece.await,
            };
            match piece {
                Ok(Ok(Some(piece))) if body.len() + piece.len() <= MAX_BYTES => body.extend_from_slice(&piece),
                Ok(Ok(Some(_))) => {
                    let message = format!("an answer above {MAX_BYTES} bytes");
                    return Err(Failure::unanswered(error(ErrorKind::Protocol, operation, message)));
                }
                Ok(Ok(None)) => break,
                Ok(Err(cause)) => return Err(self.unreachable(&cause, operation)),
                Err(_) => return Err(self.silent(operation)),
            }
        }
        match status {
            200 => Ok(Answer { body, index }),
            _ => Err(Failure::answered(status, &body, operation)),
        }
    }

    /// The HTTP client, made when it is first needed.
    async fn client(&self) -> Result<Arc<reqwest::Client>, Error> {
        if let Some(http) = &*self.kept() {
            return Ok(Arc::clone(http));
        }
        let mut builder = reqwest::Client::builder()
            // What the environment says of proxies is meant for the world outside, not for an agent on this host.
            .no_proxy()
            .redirect(Policy::none())
            // Over one HTTP/2 connection a stalled query would hold up every other.
            .http1_only()
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            // Idle connections are bounded in number, and the system finds out which of them are dead; without a
            // timeout of its own the pool needs no task.
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(None)
            .tcp_keepalive(Duration::from_secs(15))
            .user_agent(concat!("sd-consul/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = &self.tls {
            builder = tls.apply(builder).await?;
        }
        if let Some(name) = &self.server_name {
            builder = named(builder, name, &self.authority).await?;
        }
        let http = builder.build().map_err(|cause| {
            Error::config("no HTTP client can be made of these settings")
                .with_source(causes(&cause))
                .with_retryable(true)
        })?;
        // Who was quicker is as good.
        Ok(Arc::clone(self.kept().get_or_insert_with(|| Arc::new(http))))
    }

    /// After a failure, certificates are read again. Without TLS the client has nothing that could grow old: names are
    /// looked up at every connect.
    fn forget(&self, failed: &Arc<reqwest::Client>) {
        if self.tls.is_some() {
            self.kept().take_if(|kept| Arc::ptr_eq(kept, failed));
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Arc<reqwest::Client>>> {
        self.http.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, cause: &reqwest::Error, operation: &'static str) -> Failure {
        let causes = causes(cause);
        // A TLS alert about certificates will not heal by itself.
        let refused = causes.contains("received fatal alert") && causes.contains("ertificate");
        let (kind, what) = if refused {
            (ErrorKind::Unauthorized, "it refuses our certificate")
        } else if cause.is_connect() {
            (ErrorKind::Unavailable, "it can't be connected to")
        } else {
            (ErrorKind::Unavailable, "the connection broke")
        };
        Failure::unanswered(error(kind, operation, format!("{}: {what}", self.authority)).with_source(causes))
    }

    fn silent(&self, operation: &'static str) -> Failure {
        let message = format!("{} did not answer in time", self.authority);
        Failure::unanswered(error(ErrorKind::Unavailable, operation, message))
    }

    fn malformed(&self, cause: &(dyn std::error::Error + 'static), operation: &'static str) -> Failure {
        let failed = error(ErrorKind::Config, operation, format!("{}: no request can be made of it", self.authority));
        Failure::unanswered(failed.with_source(causes(cause)))
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("base", &self.base)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// The error and its causes in one line, none twice.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What a JSON answer says.
pub(crate) fn parsed<'a, T: serde::Deserialize<'a>>(body: &'a [u8], operation: &'static str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|cause| {
        let error = Error::new(ErrorKind::Protocol, "an answer that is not Consul's").with_source(cause);
        Failure::unanswered(error.with_backend(NAME).during(operation))
    })
}
