//! The suite's environment for an etcd backend: a server of its own behind a proxy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::Backend;

use super::server::EtcdServer;
use crate::container::Container;
use crate::environment::{Capabilities, ConnectOptions, Environment, Fault};
use crate::proxy::{Mode, TcpProxy};
use crate::samples::random_word;

/// The TTL that tests ask for: the shortest that etcd grants.
const TTL: Duration = Duration::from_secs(2);

type Connect = Box<dyn Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync>;

/// An etcd of its own, reached through a proxy, with a random prefix.
pub struct EtcdEnvironment {
    server: EtcdServer,
    proxy: TcpProxy,
    prefix: String,
    options: String,
    connect: Connect,
}

impl EtcdEnvironment {
    /// Starts a server for `test`; `None` after having said that it is skipped. `connect` makes a backend from a URL
    /// and what the test asks for.
    pub async fn start(
        test: &str,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Option<Self> {
        let server = match Container::of("etcd", "SD_ETCD_PORT") {
            Some(container) => EtcdServer::in_container(container).await,
            None => EtcdServer::start(test).await?,
        };
        Some(Self::around(server, connect))
    }

    /// Around a server that runs.
    pub fn around(
        server: EtcdServer,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        let proxy = TcpProxy::start(server.address());
        let prefix = format!("/test-{}", random_word());
        Self { server, proxy, prefix, options: format!("ttl={}s", TTL.as_secs()), connect: Box::new(connect) }
    }

    /// Adds options to the URL: `codec=plain`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.options = format!("{}&{options}", self.options);
        self
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &EtcdServer {
        &self.server
    }

    /// The proxy before it.
    #[must_use]
    pub fn proxy(&self) -> &TcpProxy {
        &self.proxy
    }

    /// Below which all keys stand, with its leading slash.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The URL that connections use, through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("etcd://{}{}?{}", self.proxy.address(), self.prefix, self.options)
    }
}

#[async_trait]
impl Environment for EtcdEnvironment {
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new(Some(TTL)).noticing_silence_within(Duration::from_secs(20));
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
                let prefix = format!("{}/{service}/", self.prefix);
                return self.server.gateway().expire(&prefix, id).await;
            }
            Fault::Plant { service, id, value } => {
                let key = format!("{}/{service}/{id}", self.prefix);
                self.server.gateway().put(&key, value, None).await;
            }
        }
        true
    }

    async fn watches(&self) -> Option<usize> {
        let count = self.server.gateway().metric("etcd_debugging_mvcc_watcher_total", &[]).await;
        // A count, so neither negative nor broken.
        Some(count as usize)
    }

    fn connections(&self) -> Option<usize> {
        Some(self.proxy.open())
    }

    fn url(&self) -> Option<String> {
        Some(Self::url(self))
    }

    async fn requests(&self) -> Option<f64> {
        Some(self.server.gateway().metric("grpc_server_started_total", &[]).await)
    }
}

impl fmt::Debug for EtcdEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdEnvironment")
            .field("server", &self.server)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
