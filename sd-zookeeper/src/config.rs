//! What a connection to ZooKeeper needs to know: a builder with the names that the URL's options have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Codec, Connection, ConnectionSettings, Error, RegistryUrl, Secret, defaults};

use crate::registry::ZooKeeperRegistry;

/// Who may do what with the nodes that this connection creates: the instances' and those above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NodeAccess {
    /// Anyone may do anything: `acl=world`.
    #[default]
    World,
    /// Whoever is logged in as the same user may do anything, and nobody else may even read: `acl=creator`.
    Creator,
}

/// How a service is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WatchMode {
    /// By one persistent, recursive watch; by one-shot watches where the server turns out not to know those:
    /// `watches=auto`.
    #[default]
    Auto,
    /// By a one-shot watch per instance and one on their list, as servers before 3.6 need it: `watches=oneshot`.
    OneShot,
}

/// How a connection to ZooKeeper is made. Each setting has a default that suits production.
///
/// The setters have the names that the options of a `zookeeper://` URL have; what they are given is checked by
/// [`connect`](Self::connect).
///
/// ```
/// # use sd_zookeeper::ZooKeeperConfig;
/// # use std::time::Duration;
/// let config = ZooKeeperConfig::new(["10.0.0.1:2181", "10.0.0.2:2181"]).session(Duration::from_secs(30)).chroot("/live");
/// ```
#[derive(Debug, Clone)]
pub struct ZooKeeperConfig {
    pub(crate) hosts: Vec<String>,
    pub(crate) chroot: Option<String>,
    pub(crate) session: Duration,
    pub(crate) codec: Codec,
    pub(crate) acl: NodeAccess,
    pub(crate) auth: Option<Secret>,
    pub(crate) auth_file: Option<PathBuf>,
    pub(crate) sasl: Option<Secret>,
    pub(crate) sasl_file: Option<PathBuf>,
    pub(crate) tls: bool,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) watches: WatchMode,
    pub(crate) audit: Duration,
    pub(crate) connection: ConnectionSettings,
}

impl ZooKeeperConfig {
    /// ZooKeeper at one or several hosts, each as `host:port`. A session uses one at a time, and moves to another when
    /// that one fails.
    pub fn new(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            hosts: hosts.into_iter().map(Into::into).collect(),
            chroot: None,
            session: defaults::TTL,
            codec: Codec::default(),
            acl: NodeAccess::default(),
            auth: None,
            auth_file: None,
            sasl: None,
            sasl_file: None,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            request_timeout: defaults::REQUEST_TIMEOUT,
            watches: WatchMode::default(),
            audit: defaults::AUDIT_INTERVAL,
            connection: ConnectionSettings::default(),
        }
    }

    /// From a `zookeeper://` URL, with every option taken.
    ///
    /// # Errors
    /// `Config`: no host, an unknown option (naming the known ones), a value that can't be read.
    pub fn from_url(url: RegistryUrl) -> Result<Self, Error> {
        crate::config_url::parse(url)
    }

    /// The node below which services stand; it is created, with those above it, at the first registration. Default
    /// `/services`; `/` is the very root. In a URL this is the path.
    #[must_use]
    pub fn chroot(mut self, path: impl Into<String>) -> Self {
        self.chroot = Some(path.into());
        self
    }

    /// How long a session, and with it every registration, outlives this process: 1 s to 24 h. Default 10 s. The server
    /// grants what it allows, by default 2 to 20 of its ticks; a registration's state tells what that is.
    #[must_use]
    pub fn session(mut self, timeout: Duration) -> Self {
        self.session = timeout;
        self
    }

    /// How values are written. Default json; both are read, and so is what Curator writes.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Who may do what with the nodes that this connection creates. Default [`NodeAccess::World`].
    ///
    /// To delete a node, ZooKeeper asks for the right at the node *above* it: instances are safe from strangers when
    /// their service's node was created with [`NodeAccess::Creator`], too.
    #[must_use]
    pub fn acl(mut self, access: NodeAccess) -> Self {
        self.acl = access;
        self
    }

    /// Logs in with a scheme of ZooKeeper's: `digest:user:password`. Default: nobody.
    ///
    /// ZooKeeper does not check a digest by itself: a wrong one is let in, and lacks the rights.
    #[must_use]
    pub fn auth(mut self, scheme_and_credentials: Secret) -> Self {
        self.auth = Some(scheme_and_credentials);
        self
    }

    /// As [`auth`](Self::auth), from this file: read whenever a session is made, its last line end left out.
    #[must_use]
    pub fn auth_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.auth_file = Some(file.into());
        self
    }

    /// Logs in with SASL's DIGEST-MD5: `user:password`. Default: nobody.
    #[must_use]
    pub fn sasl(mut self, user_and_password: Secret) -> Self {
        self.sasl = Some(user_and_password);
        self
    }

    /// As [`sasl`](Self::sasl), from this file: read whenever a session is made, its last line end left out.
    #[must_use]
    pub fn sasl_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.sasl_file = Some(file.into());
        self
    }

    /// Speaks TLS; needs a [`ca`](Self::ca), since the client trusts no authority by itself. Default: when `ca` is given.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Trusts the authorities in this PEM file. Read whenever a session is made. The certificate must bear the host as
    /// it is written here.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows the certificate in this PEM file, with the [`key`](Self::key) that belongs to it. Read whenever a session is
    /// made.
    #[must_use]
    pub fn cert(mut self, file: impl Into<PathBuf>) -> Self {
        self.cert = Some(file.into());
        self
    }

    /// The private key of [`cert`](Self::cert), a PEM file. Read whenever a session is made.
    #[must_use]
    pub fn key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key = Some(file.into());
        self
    }

    /// Bound on getting a session, over whichever host. Default 3 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bound on one act, getting a session included. Default 5 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How services are watched. Default [`WatchMode::Auto`].
    #[must_use]
    pub fn watches(mut self, mode: WatchMode) -> Self {
        self.watches = mode;
        self
    }

    /// How often a watched service is read anew, to be sure, spread by 20 %. Default 10 min.
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
        let paths = self.checked()?;
        let settings = self.connection.clone();
        let registry = ZooKeeperRegistry::new(self, paths)?;
        Connection::builder(Arc::new(registry)).settings(settings).build()
    }
}
