//! What the client of the push protocol needs to know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Address, Connection, Error, ServiceName};

use super::listener::Listener;
use super::registry::PushRegistry;

/// A registrar and an instancer that speak article 001's protocol.
///
/// ```no_run
/// use sd_core::{Address, Instance, Instancer, Registrar, Registration};
/// use sd_registry::PushConfig;
///
/// # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
/// let centre = PushConfig::new("127.0.0.1:3000").requires("LogService")?.connect()?;
/// let here = Instance::new("http://127.0.0.1:6000".parse::<Address>()?);
/// let registration = centre.register(Registration::new("GradingService", here)).await?;
/// let logs = centre.subscribe(&"LogService".parse()?).known().await;
/// # registration.deregister().await
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is connected before `connect`"]
pub struct PushConfig {
    pub(crate) centre: String,
    listen: SocketAddr,
    advertise: Option<String>,
    pub(crate) requires: Vec<ServiceName>,
    pub(crate) silence: Duration,
}

impl PushConfig {
    /// The centre at `host:port`; its path is `/services`. The article's is `localhost:3000`.
    pub fn new(centre: impl Into<String>) -> Self {
        Self {
            centre: centre.into(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            advertise: None,
            requires: Vec::new(),
            silence: Duration::from_secs(30),
        }
    }

    /// Where the centre calls back. Default `127.0.0.1:0`, which a centre on this host reaches.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The host, or `host:port`, by which the centre reaches that. Default: the address listened on.
    pub fn advertise(mut self, host: impl Into<String>) -> Self {
        self.advertise = Some(host.into());
        self
    }

    /// A service that whatever is registered here requires: it is named in the registration, and a subscription to it
    /// begins with that. Any other that is subscribed to costs a registration of its own, as service `Watcher`.
    ///
    /// # Errors
    /// `Config`: no name of a service.
    pub fn requires(mut self, service: &str) -> Result<Self, Error> {
        let service: ServiceName = service.parse()?;
        if !self.requires.contains(&service) {
            self.requires.push(service);
        }
        Ok(self)
    }

    /// How long the centre may let nothing be heard, before it counts as gone: 1 s to 1 h. Default 30 s. Ours asks for
    /// a heartbeat every 3 s; the article's asks one service after another, 3 s apart, so it needs 3 s for each there.
    pub fn silence(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    /// The connection. Begins to listen for the centre's calls; never waits for the network.
    ///
    /// # Errors
    /// `Config`: no `host:port`, an address that can't be called, outside a tokio runtime. `Unavailable`: the address
    /// to listen on is taken.
    pub fn connect(self) -> Result<Connection, Error> {
        let refused = |why: &str| Err(Error::config(why.to_owned()).with_backend("push"));
        let centre: Address = self.centre.parse()?;
        if centre.as_url().is_some() {
            return refused("the centre is written as host:port, as localhost:3000");
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.silence) {
            return refused(&format!("silence {:?}: allowed are 1 s to 1 h", self.silence));
        }
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            return refused("listening on every address, it must be said by which the centre calls back: advertise");
        }
        let listener = Listener::start(self.listen, self.advertise.as_deref())?;
        Connection::builder(Arc::new(PushRegistry::new(self, listener))).build()
    }
}
