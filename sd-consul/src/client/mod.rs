//! Everything that knows consulrs, rustify and reqwest: what this backend asks of an agent, in small types of our own.
//!
//! consulrs's typed requests are used where they are right (reading and taking back a service, setting a check, listing
//! an agent's services) and rustify endpoints of our own beside them where they are missing or wrong; see `endpoints`.
//! Its answers are parsed here, since it can't read a service that has an address. To exchange the client, rewrite this
//! folder: nothing outside it names any of the three.

mod endpoints;
mod query;
mod service;
mod tls;
mod token;
mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consulrs::api::check::requests::TtlCheckUpdateRequest;
use consulrs::api::service::requests::{DeregisterServiceRequest, ListServicesRequest, ReadServiceRequest};
use rustify::Endpoint;
use rustify::enums::RequestMethod;
use sd_core::{Error, ErrorKind};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub(crate) use query::{Query, Reading};
pub(crate) use transport::Answer;

use crate::config::ConsulConfig;
use crate::definition::{AgentService, Definition, Status};
use crate::error::{Failure, error};
use endpoints::{Plain, RegisterBody, Right, WithBody, milliseconds};
use service::{ServiceBody, read};
use tls::Tls;
use token::Token;
use transport::{Patience, Transport, parsed};

/// How many acts are under way at the same time. With the heartbeats' share these are eight requests for other things
/// than waiting, and so at most eight connections, and as many idle ones for the moments in which one is not yet known
/// to be free: Consul cuts a client off that has 200.
const ACTS: usize = 5;
/// How many heartbeats are under way at the same time; beside the acts, so that no crowd of those makes a TTL lapse.
pub(crate) const BEATS: usize = 3;

/// How much later than Consul promises the answer to a blocking query may begin.
const SLACK: Duration = Duration::from_millis(2500);

/// What waits in which line for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Acts,
    Beats,
}

/// By when, in which line, and what for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) deadline: Instant,
    pub(crate) line: Line,
    pub(crate) operation: &'static str,
}

/// An agent, as this backend speaks to it.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
    acts: Semaphore,
    beats: Semaphore,
    request_timeout: Duration,
}

impl Client {
    /// # Errors
    /// `Config` for a token that can't be sent.
    pub(crate) fn of(config: &ConsulConfig) -> Result<Self, Error> {
        let token = match (&config.token, &config.token_file) {
            (Some(token), _) => Token::given(token)?,
            (None, Some(file)) => Token::in_file(file.clone()),
            (None, None) => Token::None,
        };
        let tls = Tls { ca: config.ca.clone(), identity: config.cert.clone().zip(config.key.clone()) };
        let uses_tls = config.tls || tls.ca.is_some() || tls.identity.is_some();
        let transport = Transport::new(
            &config.endpoint,
            token,
            uses_tls.then_some(tls),
            config.server_name.as_deref(),
            config.connect_timeout,
        );
        Ok(Self {
            transport,
            acts: Semaphore::new(ACTS),
            beats: Semaphore::new(BEATS),
            request_timeout: config.request_timeout,
        })
    }

    /// `host:port` of the agent.
    pub(crate) fn authority(&self) -> &str {
        &self.transport.authority
    }

    /// How many tokens there were before the present one: an agent speaks for a service with the token that it was
    /// registered with.
    pub(crate) fn token_generation(&self) -> u64 {
        self.transport.token_generation()
    }

    /// An act that begins now.
    pub(crate) fn act(&self, operation: &'static str) -> Call {
        Call { deadline: Instant::now() + self.request_timeout, line: Line::Acts, operation }
    }

    /// Registers a service; checks that it had before and that are not in the definition go.
    pub(crate) async fn register(&self, call: Call, definition: &Definition) -> Result<(), Failure> {
        let endpoint = WithBody {
            method: RequestMethod::PUT,
            path: "agent/service/register",
            query: Some("replace-existing-checks=true"),
            body: RegisterBody::of(definition),
        };
        self.ask(call, endpoint).await.map(drop)
    }

    /// Takes a service back. Consul says yes to unknown ids too: read to know.
    pub(crate) async fn deregister(&self, call: Call, id: &str) -> Result<(), Failure> {
        let endpoint = DeregisterServiceRequest { id: id.to_owned(), ..DeregisterServiceRequest::default() };
        self.ask(call, endpoint).await.map(drop)
    }

    /// The agent's service with this id.
    pub(crate) async fn service(&self, call: Call, id: &str) -> Result<Option<AgentService>, Failure> {
        let endpoint = ReadServiceRequest { name: id.to_owned(), ..ReadServiceRequest::default() };
        read(self.ask(call, endpoint).await, call.operation)
    }

    /// The agent's service with this id, once it is another than `hash` says, or `wait` has passed.
    pub(crate) async fn service_after(
        &self,
        id: &str,
        hash: &str,
        wait: Duration,
        operation: &'static str,
    ) -> Result<Option<AgentService>, Failure> {
        let (mut query, mut waits) = (Vec::new(), None);
        if !hash.is_empty() {
            query.extend([("hash", hash.to_owned()), ("wait", milliseconds(wait))]);
            waits = Some(wait);
        }
        let endpoint = Plain::get(format!("agent/service/{id}"), query);
        read(self.transport.send(endpoint, self.patience(waits), operation).await, operation)
    }

    /// All services of the agent that the token may see.
    pub(crate) async fn services(&self, call: Call) -> Result<Vec<AgentService>, Failure> {
        let answer = self.ask(call, ListServicesRequest::default()).await?;
        let services: BTreeMap<String, ServiceBody> = parsed(&answer.body, call.operation)?;
        Ok(services.into_values().map(AgentService::from).collect())
    }

    /// Says how a TTL check stands, and starts its TTL anew.
    pub(crate) async fn set_check(&self, call: Call, id: &str, status: Status) -> Result<(), Failure> {
        let endpoint = TtlCheckUpdateRequest {
            check: id.to_owned(),
            status: Some(status.as_str().to_owned()),
            output: Some(String::new()),
            ..TtlCheckUpdateRequest::default()
        };
        self.ask(call, endpoint).await.map(drop)
    }

    /// Puts a service into maintenance mode. It ends when the service is registered anew.
    pub(crate) async fn maintain(&self, call: Call, id: &str, reason: &str) -> Result<(), Failure> {
        let query = vec![("enable", "true".to_owned()), ("reason", reason.to_owned())];
        self.ask(call, Plain::put(format!("agent/service/maintenance/{id}"), query)).await.map(drop)
    }

    /// A service's entries with their nodes and checks.
    pub(crate) async fn health(
        &self,
        service: &str,
        query: &Query<'_>,
        operation: &'static str,
    ) -> Result<Answer, Failure> {
        let endpoint = Plain::get(format!("health/service/{service}"), query.pairs());
        self.transport.send(endpoint, self.patience_for(query), operation).await
    }

    /// The names of all services, each with its tags.
    pub(crate) async fn catalog(
        &self,
        query: &Query<'_>,
        operation: &'static str,
    ) -> Result<(BTreeMap<String, Vec<String>>, Option<u64>), Failure> {
        let endpoint = Plain::get("catalog/services", query.pairs());
        let answer = self.transport.send(endpoint, self.patience_for(query), operation).await?;
        Ok((parsed(&answer.body, operation)?, answer.index))
    }

    fn patience_for(&self, query: &Query<'_>) -> Patience {
        query.deadline.map_or_else(|| self.patience(query.waits()), Patience::until)
    }

    /// How long to wait for an answer that Consul may hold back for `waits`. It adds up to a sixteenth to that.
    fn patience(&self, waits: Option<Duration>) -> Patience {
        let now = Instant::now();
        let held_back = waits.map_or(Duration::ZERO, |waits| waits + waits / 16 + SLACK);
        Patience { head: now + held_back.max(self.request_timeout), piece: self.request_timeout, end: None }
    }

    /// Whether the token may read the service, and the node where one is given: without the right, Consul answers with
    /// an empty list. `None` where it can't tell, because it is too old.
    ///
    /// # Errors
    /// `Unauthorized` for a token that Consul does not know.
    pub(crate) async fn may_read(
        &self,
        call: Call,
        service: &str,
        node: Option<&str>,
    ) -> Result<Option<bool>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Allowed {
            allow: bool,
        }
        let right = |resource, segment| Right { resource, access: "read", segment };
        let mut body = vec![right("service", service)];
        body.extend(node.map(|node| right("node", node)));
        let path = "internal/acl/authorize";
        let endpoint = WithBody { method: RequestMethod::POST, path, query: None, body };
        match self.ask(call, endpoint).await {
            Ok(answer) => {
                let allowed: Vec<Allowed> = parsed(&answer.body, call.operation)?;
                Ok(Some(allowed.iter().all(|right| right.allow)))
            }
            // It checks no tokens at all.
            Err(failure) if failure.status == Some(401) => Ok(Some(true)),
            Err(failure) if failure.status.is_some_and(|status| status < 500) && !failure.is_unknown_token() => {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether the agent knows a leader.
    pub(crate) async fn leader(&self, call: Call) -> Result<String, Failure> {
        parsed(&self.ask(call, Plain::get("status/leader", Vec::new())).await?.body, call.operation)
    }

    /// The agent's version.
    pub(crate) async fn version(&self, call: Call) -> Result<String, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Agent {
            config: Config,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            version: String,
        }
        let answer = self.ask(call, Plain::get("agent/self", Vec::new())).await?;
        parsed::<Agent>(&answer.body, call.operation).map(|agent| agent.config.version)
    }

    /// One request that is answered at once, in its line.
    async fn ask<E: Endpoint>(&self, call: Call, endpoint: E) -> Result<Answer, Failure> {
        let line = match call.line {
            Line::Acts => &self.acts,
            Line::Beats => &self.beats,
        };
        // The semaphores are never closed.
        let Ok(_place) = timeout_at(call.deadline, line.acquire()).await else {
            let message = "too many requests are waiting for the agent";
            return Err(Failure::unanswered(error(ErrorKind::Unavailable, call.operation, message)));
        };
        let answer = self.transport.send(endpoint, Patience::until(call.deadline), call.operation).await;
        // Lets the connection go back among the idle ones: else the next in line may open another.
        tokio::task::yield_now().await;
        answer
    }
}

/// The client, for whoever shares it.
pub(crate) type SharedClient = Arc<Client>;
