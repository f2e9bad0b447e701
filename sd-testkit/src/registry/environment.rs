//! The suite's environment for the client of a centre: a centre of its own behind a proxy.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::Backend;

use super::options::CentreOptions;
use super::server::CentreServer;
use crate::environment::{Capabilities, ConnectOptions, Environment, Fault};
use crate::proxy::{Mode, TcpProxy};

/// The TTL that tests ask for: as short as etcd's.
const TTL: Duration = Duration::from_secs(2);

type Connect = Box<dyn Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync>;
type Wipe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A centre of its own, reached through a proxy.
pub struct RegistryEnvironment {
    server: CentreServer,
    proxy: TcpProxy,
    options: String,
    connect: Connect,
    wipe: Option<Wipe>,
}

impl RegistryEnvironment {
    /// Starts the test binary as a centre. `connect` makes a backend from a URL and what the test asks for.
    pub async fn start(
        options: CentreOptions,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        Self::around(CentreServer::start(options).await, connect)
    }

    /// Around a centre that runs.
    pub fn around(
        server: CentreServer,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        let proxy = TcpProxy::start(server.address());
        let options = format!("ttl={}s", TTL.as_secs());
        Self { server, proxy, options, connect: Box::new(connect), wipe: None }
    }

    /// Adds options to the URL: `token=…`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.options = format!("{}&{options}", self.options);
        self
    }

    /// Says how what stands behind a front forgets everything, while the front is down.
    #[must_use]
    pub fn wiped_by<W, F>(mut self, wipe: W) -> Self
    where
        W: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.wipe = Some(Box::new(move || Box::pin(wipe())));
        self
    }

    /// The centre.
    #[must_use]
    pub fn server(&self) -> &CentreServer {
        &self.server
    }

    /// The proxy before it.
    #[must_use]
    pub fn proxy(&self) -> &TcpProxy {
        &self.proxy
    }

    /// The URL that connections use, through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sd://{}?{}", self.proxy.address(), self.options)
    }
}

#[async_trait]
impl Environment for RegistryEnvironment {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Some(TTL)).noticing_silence_within(Duration::from_secs(25))
    }

    fn connect(&self, options: &ConnectOptions) -> Arc<dyn Backend> {
        (self.connect)(&self.url(), options)
    }

    async fn inject(&self, fault: Fault<'_>) -> bool {
        match fault {
            Fault::Down => self.server.kill(),
            // One in memory has forgotten everything then; who lives registers anew.
            Fault::Up => self.server.restart().await,
            Fault::UpWithoutData => {
                if let Some(wipe) = &self.wipe {
                    wipe().await;
                }
                self.server.restart_empty().await;
            }
            Fault::Pause => self.server.pause(),
            Fault::Resume => self.server.resume(),
            Fault::Cut => self.proxy.cut(),
            Fault::Hold => self.proxy.set(Mode::Hold).await,
            Fault::Slow => self.proxy.set(Mode::Slow { delay: Duration::from_millis(40), chunk: 512 }).await,
            Fault::Release => self.proxy.set(Mode::Pass).await,
            Fault::Expire { service, id } => return self.server.gateway().expire(service, id).await,
            // A centre takes nothing in that can't be read.
            Fault::Plant { .. } => return false,
        }
        true
    }

    async fn watches(&self) -> Option<usize> {
        Some(self.server.gateway().watches().await)
    }

    fn connections(&self) -> Option<usize> {
        Some(self.proxy.open())
    }

    fn url(&self) -> Option<String> {
        Some(Self::url(self))
    }

    async fn requests(&self) -> Option<f64> {
        Some(self.server.gateway().metric("sd_registry_requests_total{status=\"2xx\"}").await)
    }
}

impl fmt::Debug for RegistryEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryEnvironment")
            .field("server", &self.server)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
