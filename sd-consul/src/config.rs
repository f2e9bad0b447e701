//! What a connection to Consul needs to know: a builder with the names that the URL's options have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Connection, ConnectionSettings, Error, RegistryUrl, Secret, defaults};

use crate::check::CheckSettings;
use crate::registry::ConsulRegistry;

/// Which answers a reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// The leader's, which may for a moment be one that does not know yet that it no longer leads.
    #[default]
    Default,
    /// Any server's, however old; it answers without a leader, too.
    Stale,
    /// The leader's, after it has made sure that it still leads: a round trip more.
    Consistent,
}

/// What tells Consul whether an instance works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckKind {
    /// This process says so, three times per TTL.
    #[default]
    Ttl,
    /// The agent asks a URL: 200 to 299 is passing, 429 warning, all else critical.
    Http,
    /// The agent connects to the instance's address.
    Tcp,
    /// The agent asks the gRPC health service at the instance's address.
    Grpc,
}

/// How a connection to Consul is made. Each setting has a default that suits production.
///
/// The setters have the names that the options of a `consul://` URL have; what they are given is checked by
/// [`connect`](Self::connect).
///
/// ```
/// # use sd_consul::ConsulConfig;
/// # use std::time::Duration;
/// let config = ConsulConfig::new("127.0.0.1:8500").ttl(Duration::from_secs(30)).tag("v2").passing(true);
/// ```
#[derive(Debug, Clone)]
pub struct ConsulConfig {
    pub(crate) endpoint: String,
    pub(crate) dc: Option<String>,
    pub(crate) token: Option<Secret>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) tags: Vec<String>,
    pub(crate) passing: bool,
    pub(crate) near: Option<String>,
    pub(crate) consistency: Consistency,
    pub(crate) wait: Duration,
    pub(crate) ttl: Duration,
    pub(crate) check: CheckSettings,
    pub(crate) warning_weight: u32,
    pub(crate) tls: bool,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) connection: ConnectionSettings,
}

impl ConsulConfig {
    /// The agent at `host:port`: one, since what is registered with one agent is not known to another. It should be the
    /// agent of this host, as Consul means it: then its failure and this host's are the same.
    pub fn new(agent: impl Into<String>) -> Self {
        Self {
            endpoint: agent.into(),
            dc: None,
            token: None,
            token_file: None,
            tags: Vec::new(),
            passing: false,
            near: None,
            consistency: Consistency::default(),
            wait: Duration::from_secs(60),
            ttl: defaults::TTL,
            check: CheckSettings::default(),
            warning_weight: 1,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            request_timeout: defaults::REQUEST_TIMEOUT,
            connection: ConnectionSettings::default(),
        }
    }

    /// From a `consul://` URL, with every option taken.
    ///
    /// # Errors
    /// `Config`: not exactly one host, an unknown option (naming the known ones), a value that can't be read.
    pub fn from_url(url: RegistryUrl) -> Result<Self, Error> {
        crate::config_url::parse(url)
    }

    /// Reads services of this data centre. Default: the agent's own, which is also where registrations always go.
    #[must_use]
    pub fn dc(mut self, name: impl Into<String>) -> Self {
        self.dc = Some(name.into());
        self
    }

    /// Shows this ACL token. Default: what `CONSUL_HTTP_TOKEN` holds when [`connect`](Self::connect) is called, if it is
    /// set.
    #[must_use]
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Shows the ACL token in this file, its last line end left out: read again after 30 s, and at once when Consul
    /// refuses the one that was read.
    #[must_use]
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token_file = Some(file.into());
        self
    }

    /// Reads only instances that have this tag; said several times, those that have all of them. In a URL also
    /// `tag=a,b`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Reads only instances all of whose checks pass: those that are down, draining or warning are not seen at all.
    /// Default false.
    #[must_use]
    pub fn passing(mut self, passing: bool) -> Self {
        self.passing = passing;
        self
    }

    /// Asks Consul to sort its answers by distance from this node; `_agent` is the agent's own. It is passed on and has
    /// no effect on what a reader sees: snapshots are sorted by id, and which instance is called is the balancer's
    /// matter (a zone says more to it).
    #[must_use]
    pub fn near(mut self, node: impl Into<String>) -> Self {
        self.near = Some(node.into());
        self
    }

    /// Which answers a reader takes. Default: the leader's.
    #[must_use]
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// How long a query of a watch waits for news: 1 s to 10 min. Default 60 s. Consul adds up to a sixteenth; a watch
    /// that is silent for 2.5 s longer than that is broken.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How long a registration is passing without this process: 1 s to 24 h. Default 10 s. After that it is critical,
    /// which readers see as down. Where Consul runs the check, how often (three times as often) it is seen to that the
    /// registration still stands.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Speaks TLS, trusting the system's authorities unless [`ca`](Self::ca) is given. Default: only when `ca` or
    /// `cert` is.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Trusts the authorities in this PEM file, and none else. Read again after every failure to connect.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows the certificate in this PEM file, with the [`key`](Self::key) that belongs to it. Read again after every
    /// failure to connect.
    #[must_use]
    pub fn cert(mut self, file: impl Into<PathBuf>) -> Self {
        self.cert = Some(file.into());
        self
    }

    /// The private key of [`cert`](Self::cert), a PEM file.
    #[must_use]
    pub fn key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key = Some(file.into());
        self
    }

    /// The DNS name that the agent's certificate must bear. Default: the agent's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Bound on connecting, TLS included. Default 3 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bound on one act, connecting included. Default 5 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    sd_core::connection_setters!(connection);

    /// The connection. Never waits for the network. It uses the runtime that this is called in.
    ///
    /// # Errors
    /// `Config`: a setting that can't be, naming what is allowed; a file that can't be read; no tokio runtime.
    pub fn connect(mut self) -> Result<Connection, Error> {
        if self.token.is_none() && self.token_file.is_none() {
            self.token = std::env::var("CONSUL_HTTP_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret::new);
        }
        self.checked()?;
        let registry = ConsulRegistry::new(&self)?;
        Connection::builder(Arc::new(registry)).settings(self.connection).build()
    }
}
