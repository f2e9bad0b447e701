//! What a connection to etcd needs to know: a builder with the names that the URL's options have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Codec, Connection, ConnectionSettings, Error, RegistryUrl, Secret, defaults};

use crate::registry::EtcdRegistry;

/// How a connection to etcd is made. Each setting has a default that suits production.
///
/// The setters have the names that the options of an `etcd://` URL have; what they are given is checked by
/// [`connect`](Self::connect).
///
/// ```
/// # use sd_etcd::EtcdConfig;
/// # use std::time::Duration;
/// let config = EtcdConfig::new(["10.0.0.1:2379", "10.0.0.2:2379"]).ttl(Duration::from_secs(30)).prefix("/live");
/// ```
#[derive(Debug, Clone)]
pub struct EtcdConfig {
    pub(crate) endpoints: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) prefix: Option<String>,
    pub(crate) layout: Option<String>,
    pub(crate) codec: Codec,
    pub(crate) ttl: Duration,
    pub(crate) tls: bool,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) require_leader: bool,
    pub(crate) keep_alive: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) watch_check: Duration,
    pub(crate) watch_check_timeout: Duration,
    pub(crate) audit: Duration,
    pub(crate) connection: ConnectionSettings,
}

impl EtcdConfig {
    /// etcd at one or several endpoints, each as `host:port`. One is used at a time; the others stand in for it.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            user: None,
            password: None,
            password_file: None,
            prefix: None,
            layout: None,
            codec: Codec::default(),
            ttl: defaults::TTL,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            request_timeout: defaults::REQUEST_TIMEOUT,
            require_leader: true,
            keep_alive: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            watch_check: Duration::from_secs(10),
            watch_check_timeout: Duration::from_secs(5),
            audit: defaults::AUDIT_INTERVAL,
            connection: ConnectionSettings::default(),
        }
    }

    /// From an `etcd://` URL, with every option taken.
    ///
    /// # Errors
    /// `Config`: no host, an unknown option (naming the known ones), a value that can't be read.
    pub fn from_url(url: RegistryUrl) -> Result<Self, Error> {
        crate::config_url::parse(url)
    }

    /// Logs in as this user. Default: nobody.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: Secret) -> Self {
        (self.user, self.password) = (Some(name.into()), Some(password));
        self
    }

    /// Logs in as this user, with the password in this file: read at every connect, its last line end left out.
    #[must_use]
    pub fn password_file(mut self, name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        (self.user, self.password_file) = (Some(name.into()), Some(file.into()));
        self
    }

    /// The path below which services stand. Default `/services`; `/` is the root. Trailing slashes do not count.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How a key is put together below the prefix. Default `/{service}/{id}`.
    ///
    /// Text with `{service}` and then `{id}` in it, each once; no slash is implied, and without a
    /// [`prefix`](Self::prefix) it is the whole key. Where nothing separates the two, a service's name must be without
    /// digits, and an id must not begin with a letter, `.`, `_` or `-`.
    #[must_use]
    pub fn layout(mut self, template: impl Into<String>) -> Self {
        self.layout = Some(template.into());
        self
    }

    /// How values are written. Default json; both are read.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How long a registration outlives this process: whole seconds, 1 s to 24 h. Default 10 s. etcd makes 2 s of 1 s.
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

    /// The name that etcd's certificate must bear. Default: the endpoint's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Bound on connecting to one endpoint, TLS and a first answer included. Default 3 s.
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

    /// Takes no answers from a member that is cut off from its cluster. Default true.
    #[must_use]
    pub fn require_leader(mut self, require: bool) -> Self {
        self.require_leader = require;
        self
    }

    /// HTTP/2 keep-alive: a ping after `interval`, to be answered within `timeout`. Default 10 s and 5 s.
    ///
    /// Sent only while a request or a watch is open: etcd closes connections that ping without one
    /// (`too_many_pings`), or more often than its `--grpc-keepalive-min-time`, 5 s by default.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.keep_alive, self.keep_alive_timeout) = (interval, timeout);
        self
    }

    /// A watch that has been silent for `silence` asks etcd for a sign of life, and breaks when none comes within
    /// `answer`. Default 10 s and 5 s.
    #[must_use]
    pub fn watch_check(mut self, silence: Duration, answer: Duration) -> Self {
        (self.watch_check, self.watch_check_timeout) = (silence, answer);
        self
    }

    /// How often a watched set is compared with the registry (count and newest revision), spread by 20 %. Default
    /// 10 min.
    #[must_use]
    pub fn audit(mut self, interval: Duration) -> Self {
        self.audit = interval;
        self
    }

    sd_core::connection_setters!(connection);

    /// The connection. Never waits for the network. It uses the runtime that this is called in.
    ///
    /// # Errors
    /// `Config`: a setting that can't be, naming what is allowed; a file that can't be read; no tokio runtime.
    pub fn connect(self) -> Result<Connection, Error> {
        let layout = self.checked()?;
        let settings = self.connection.clone();
        let registry = EtcdRegistry::new(self, layout)?;
        Connection::builder(Arc::new(registry)).settings(settings).build()
    }
}
