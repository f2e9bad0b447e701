//! What a connection to a centre needs to know: a builder with the names that the URL's options have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Connection, ConnectionSettings, Error, RegistryUrl, Secret, defaults};

use super::registry::CentreRegistry;

/// How a connection to a registry centre is made. Each setting has a default that suits production.
///
/// The setters have the names that the options of an `sd://` URL have; what they are given is checked by
/// [`connect`](Self::connect).
///
/// ```
/// # use sd_registry::RegistryConfig;
/// # use std::time::Duration;
/// let config = RegistryConfig::new(["10.0.0.1:7070", "10.0.0.2:7070"]).ttl(Duration::from_secs(30)).tls(true);
/// ```
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    pub(crate) endpoints: Vec<String>,
    pub(crate) token: Option<Secret>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ttl: Duration,
    pub(crate) tls: bool,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) silence: Duration,
    pub(crate) connection: ConnectionSettings,
}

impl RegistryConfig {
    /// A centre at one or several hosts, each as `host:port`. One is used at a time; the others stand in for it.
    ///
    /// Several hosts are the fronts of one registry. Centres with stores of their own know nothing of each other.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            token: None,
            token_file: None,
            ttl: defaults::TTL,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            request_timeout: defaults::REQUEST_TIMEOUT,
            keep_alive: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(25),
            connection: ConnectionSettings::default(),
        }
    }

    /// From an `sd://` URL, with every option taken.
    ///
    /// # Errors
    /// `Config`: no host, a user or a path, an unknown option (naming the known ones), a value that can't be read.
    pub fn from_url(url: RegistryUrl) -> Result<Self, Error> {
        super::config_url::parse(url)
    }

    /// Shows this bearer token. Default: none.
    #[must_use]
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Shows the bearer token in this file: read at every connect, and again once it is refused; its last line end is
    /// left out.
    #[must_use]
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token_file = Some(file.into());
        self
    }

    /// How long a registration outlives this process: 1 s to 24 h. Default 10 s.
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

    /// Trusts the authorities in this PEM file, and none else. Read at every connect.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows the certificate in this PEM file, with the [`key`](Self::key) that belongs to it. Read at every connect.
    #[must_use]
    pub fn cert(mut self, file: impl Into<PathBuf>) -> Self {
        self.cert = Some(file.into());
        self
    }

    /// The private key of [`cert`](Self::cert), a PEM file. Read at every connect.
    #[must_use]
    pub fn key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key = Some(file.into());
        self
    }

    /// The name that the centre's certificate must bear. Default: the host's.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Bound on connecting to one host, TLS and a first answer included. Default 3 s.
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

    /// HTTP/2 keep-alive: a ping after `interval`, to be answered within `timeout`. Default 10 s and 5 s. Sent only
    /// while a request or a watch is open.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.keep_alive, self.keep_alive_timeout) = (interval, timeout);
        self
    }

    /// A watch breaks when the centre has said nothing for so long. Default 25 s; the centre says a word at least every
    /// 10 s, so that less than 12 s is refused.
    #[must_use]
    pub fn silence(mut self, bound: Duration) -> Self {
        self.silence = bound;
        self
    }

    sd_core::connection_setters!(connection);

    /// The connection. Never waits for the network. It uses the runtime that this is called in.
    ///
    /// # Errors
    /// `Config`: a setting that can't be, naming what is allowed; a file that can't be read; no tokio runtime.
    pub fn connect(self) -> Result<Connection, Error> {
        self.check()?;
        let registry = CentreRegistry::new(&self)?;
        Connection::builder(Arc::new(registry)).settings(self.connection).build()
    }
}
