//! The suite's environment for a Consul backend: an agent of its own behind a proxy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Address, Backend};
use serde_json::json;

use super::options::ConsulOptions;
use super::server::ConsulServer;
use crate::container::Container;
use crate::environment::{Capabilities, ConnectOptions, Environment, Fault};
use crate::proxy::{Mode, TcpProxy};

/// The TTL that tests ask for: as short as etcd's.
const TTL: Duration = Duration::from_secs(2);
/// How long a query of a watch lasts without news: short, so that silence is noticed soon.
const WAIT: Duration = Duration::from_secs(4);

type Connect = Box<dyn Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync>;

/// A Consul agent of its own, reached through a proxy.
pub struct ConsulEnvironment {
    server: ConsulServer,
    proxy: TcpProxy,
    options: String,
    connect: Connect,
}

impl ConsulEnvironment {
    /// Starts an agent for `test`; `None` after having said that it is skipped. `connect` makes a backend from a URL and
    /// what the test asks for.
    pub async fn start(
        test: &str,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Option<Self> {
        Self::start_with(test, ConsulOptions::new(), connect).await
    }

    /// As [`start`](Self::start), with options.
    pub async fn start_with(
        test: &str,
        options: ConsulOptions,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Option<Self> {
        let container = if options.is_ordinary() { Container::of("consul", "SD_CONSUL_PORT") } else { None };
        let server = match container {
            Some(container) => ConsulServer::in_container(container).await,
            None => ConsulServer::start_with(test, options).await?,
        };
        Some(Self::around(server, connect))
    }

    /// Around an agent that runs.
    pub fn around(
        server: ConsulServer,
        connect: impl Fn(&str, &ConnectOptions) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        let proxy = TcpProxy::start(server.address());
        let options = format!("ttl={}s&wait={}s", TTL.as_secs(), WAIT.as_secs());
        Self { server, proxy, options, connect: Box::new(connect) }
    }

    /// Adds options to the URL: `passing=true`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.options = format!("{}&{options}", self.options);
        self
    }

    /// The agent.
    #[must_use]
    pub fn server(&self) -> &ConsulServer {
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
        format!("consul://{}?{}", self.proxy.address(), self.options)
    }
}

#[async_trait]
impl Environment for ConsulEnvironment {
    /// An entry whose TTL lapsed stays, and is down; the suite asks for no more of a TTL than that nobody calls it.
    /// An agent takes 200 connections of a host, and a registrant has several.
    fn capabilities(&self) -> Capabilities {
        let silence = Duration::from_secs(20);
        Capabilities::new(Some(TTL)).keeping_the_dead().most_registrants(20).noticing_silence_within(silence)
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
            Fault::Expire { service, id } => return self.server.gateway().expire(service.as_str(), id).await,
            Fault::Plant { service, id, value } => {
                // Consul itself takes care that an entry has a form; what it does not ask for is a port.
                let (host, port) = match value.parse::<Address>() {
                    Ok(address) => (address.host(), address.port().unwrap_or_default()),
                    Err(_) => (String::new(), 0),
                };
                let definition = json!({ "Name": service.as_str(), "ID": id, "Address": host, "Port": port });
                self.server.gateway().register(definition).await;
            }
        }
        true
    }

    fn connections(&self) -> Option<usize> {
        Some(self.proxy.open())
    }

    fn url(&self) -> Option<String> {
        Some(Self::url(self))
    }
}

impl fmt::Debug for ConsulEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsulEnvironment")
            .field("server", &self.server)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
