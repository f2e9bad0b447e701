//! How a Consul agent is to be started.

use std::path::{Path, PathBuf};

use super::server::ConsulServer;

/// How a Consul agent is to be started, beside the defaults: a server of its own that keeps its data on disk.
#[derive(Debug, Clone, Default)]
pub struct ConsulOptions {
    pub(super) arguments: Vec<String>,
    pub(super) configuration: Vec<String>,
    pub(super) in_memory: bool,
    pub(super) datacenter: Option<String>,
    pub(super) node: Option<String>,
    pub(super) token: Option<String>,
    pub(super) tls: Option<Tls>,
    /// Where to join: a server's gossip address.
    pub(super) join: Option<String>,
    pub(super) join_wan: Option<String>,
    pub(super) speaks_wan: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

impl ConsulOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any agent will do that serves clients and knows no tokens.
    pub(super) fn is_ordinary(&self) -> bool {
        let is_changed = !self.arguments.is_empty() || !self.configuration.is_empty() || self.datacenter.is_some();
        let is_another = self.node.is_some() || self.token.is_some() || self.tls.is_some();
        !(is_changed || is_another || self.join.is_some() || self.join_wan.is_some() || self.speaks_wan)
    }

    /// Adds an argument of Consul's command line.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds configuration in HCL.
    #[must_use]
    pub fn configuration(mut self, hcl: impl Into<String>) -> Self {
        self.configuration.push(hcl.into());
        self
    }

    /// Keeps the catalog in memory: it is up ten times sooner. After a restart the agent knows its own registrations
    /// still, and the catalog's index begins again.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Names its data centre; `dc1` by default.
    #[must_use]
    pub fn datacenter(mut self, name: impl Into<String>) -> Self {
        self.datacenter = Some(name.into());
        self
    }

    /// Lets agents of other data centres join it, and speaks to them.
    #[must_use]
    pub fn speaking_wan(mut self) -> Self {
        self.speaks_wan = true;
        self
    }

    /// Joins the servers of another data centre, one of which speaks to others.
    #[must_use]
    pub fn joining_wan(mut self, server: &ConsulServer) -> Self {
        self.join_wan = Some(server.wan_address());
        self.speaking_wan()
    }

    /// A client agent of that server's data centre instead of a server: it has no catalog of its own.
    #[must_use]
    pub fn client_of(mut self, server: &ConsulServer) -> Self {
        self.join = Some(server.lan_address());
        self
    }

    /// Refuses whoever shows no token; `management` is the token that may do everything.
    #[must_use]
    pub fn acl(mut self, management: impl Into<String>) -> Self {
        self.token = Some(management.into());
        self
    }

    /// Serves HTTPS too, with this certificate and key (PEM files); with `client_ca`, clients need a certificate that it
    /// has signed. The tests' own door stays HTTP.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Self {
        let client_ca = client_ca.map(Path::to_owned);
        self.tls = Some(Tls { certificate: certificate.to_owned(), key: key.to_owned(), client_ca });
        self
    }
}
