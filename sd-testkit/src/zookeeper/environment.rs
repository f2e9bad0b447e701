//! The suite's environment for a ZooKeeper backend: a server of its own behind a proxy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::Backend;

use super::operator::Refusal;
use super::server::ZooKeeperServer;
use crate::container::Container;
use crate::environment::{Capabilities, ConnectOptions, Environment, Fault};
use crate::proxy::{Mode, TcpProxy};
use crate::samples::random_word;

/// The session that tests ask for. A client takes its server for dead after two fifths of it; on a busy machine that
/// must not happen to one that is only slow.
const SESSION: Duration = Duration::from_secs(3);

type Connect = Box<dyn Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync>;

/// A ZooKeeper of its own, reached through a proxy, with a random root.
pub struct ZooKeeperEnvironment {
    server: ZooKeeperServer,
    proxy: TcpProxy,
    root: String,
    options: String,
    connect: Connect,
}

impl ZooKeeperEnvironment {
    /// Starts a server for `test`; `None` after having said that it is skipped. `connect` makes a backend from a URL
    /// and what the test asks for.
    pub async fn start(
        test: &str,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Option<Self> {
        let server = match Container::of("zookeeper", "SD_ZOOKEEPER_PORT") {
            Some(container) => ZooKeeperServer::in_container(container).await,
            None => ZooKeeperServer::start(test).await?,
        };
        Some(Self::around(server, connect))
    }

    /// Around a server that runs.
    pub fn around(
        server: ZooKeeperServer,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        let proxy = TcpProxy::start(server.address());
        let root = format!("/test-{}", random_word());
        Self { server, proxy, root, options: format!("session={}s", SESSION.as_secs()), connect: Box::new(connect) }
    }

    /// Adds options to the URL: `codec=plain`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.options = format!("{}&{options}", self.options);
        self
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &ZooKeeperServer {
        &self.server
    }

    /// The proxy before it.
    #[must_use]
    pub fn proxy(&self) -> &TcpProxy {
        &self.proxy
    }

    /// Below which all services stand, with its leading slash.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The URL that connections use, through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("zookeeper://{}{}?{}", self.proxy.address(), self.root, self.options)
    }
}

#[async_trait]
impl Environment for ZooKeeperEnvironment {
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new(Some(SESSION)).noticing_silence_within(SESSION);
        if self.options.contains("codec=plain") { capabilities.without_details() } else { capabilities }
    }

    fn connect(&self, options: &ConnectOptions) -> Arc<dyn Backend> {
        (self.connect)(&self.url(), options)
    }

    async fn inject(&self, fault: Fault<'_>) -> bool {
        match fault {
            Fault::Down => self.server.kill(),
            Fault::Up => self.server.restart().await,
            Fault::UpWithoutData => self.server.restart_empty().await,
            Fault::Pause => self.server.pause(),
            Fault::Resume => self.server.resume(),
            Fault::Cut => self.proxy.cut(),
            Fault::Hold => self.proxy.set(Mode::Hold).await,
            Fault::Slow => self.proxy.set(Mode::Slow { delay: Duration::from_millis(40), chunk: 512 }).await,
            Fault::Release => self.proxy.set(Mode::Pass).await,
            Fault::Expire { service, id } => {
                let path = format!("{}/{service}/{id}", self.root);
                return match self.server.operator().delete(&path).await {
                    Ok(()) => true,
                    Err(Refusal::NO_NODE) => false,
                    Err(refusal) => panic!("{path}: {refusal:?}"),
                };
            }
            Fault::Plant { service, id, value } => {
                let path = format!("{}/{service}/{id}", self.root);
                self.server.operator().plant(&path, value.as_bytes()).await;
            }
        }
        true
    }

    /// Watches on a service or on all; those that registrants hold on their own nodes are left out.
    async fn watches(&self) -> Option<usize> {
        if self.options.contains("watches=oneshot") {
            // The server tells only of watches on data, and a service is watched by its children then.
            return None;
        }
        let watched = self.server.operator().watched().await;
        let of_services = watched
            .iter()
            .filter(|(path, _)| path.strip_prefix(&self.root).is_some_and(|rest| rest.matches('/').count() <= 1));
        Some(of_services.map(|(_, sessions)| sessions).sum())
    }

    fn connections(&self) -> Option<usize> {
        Some(self.proxy.open())
    }

    fn url(&self) -> Option<String> {
        Some(Self::url(self))
    }

    async fn requests(&self) -> Option<f64> {
        Some(self.server.operator().metric("zk_packets_received").await)
    }
}

impl fmt::Debug for ZooKeeperEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeperEnvironment")
            .field("server", &self.server)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
