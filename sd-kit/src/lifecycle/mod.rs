//! A server's life: bind, serve, register what was bound; when told to stop unready, drain, deregister, finish.

mod error;
mod event;
mod leave;
mod phase;
mod run;
mod stopping;

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Error, Instance, Registrar, RegistryUrl, defaults};
use tokio::sync::watch;

pub use error::LifecycleError;
pub use event::LifecycleEvent;
pub use phase::{Phase, Readiness};
pub use stopping::Stopping;

/// A server's whole life, in one call.
///
/// [`run`](Self::run) binds, serves, and registers what was really bound. Told to stop, by SIGTERM, Ctrl-C or Enter, it
/// says that it is no longer ready, drains (5 s, in which clients see it and go elsewhere), deregisters, lets running
/// requests finish (20 s at most), and returns. The same, without the drain, when the server ends or fails by itself.
///
/// A registry that is down does not keep a server from starting: it serves, and is registered when the registry comes
/// ([`wait`](Self::wait) asks for more). One that is dead at the end delays that by 3 s at most. A second signal ends
/// the process at once, with exit code 130.
///
/// How it serves is said by a closure, which gets the listener and a future that resolves when running requests are to
/// be finished. With axum:
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use sd_kit::Lifecycle;
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let lifecycle = Lifecycle::connect("book", "memory://")?.listen("0.0.0.0:8080".parse()?);
/// let ready = lifecycle.readiness();
/// let app = Router::new().route("/ready", get(async move || if ready.is_ready() { "yes" } else { "no" }));
/// lifecycle
///     .run(async |listener, stopping| {
///         let listener = tokio::net::TcpListener::from_std(listener)?;
///         axum::serve(listener, app).with_graceful_shutdown(stopping).await
///     })
///     .await?;
/// # Ok(()) }
/// ```
///
/// and with tonic the closure's last line is
/// `Server::builder().add_service(books).serve_with_incoming_shutdown(TcpIncoming::from(listener), stopping).await`.
pub struct Lifecycle {
    service: String,
    registrar: Arc<dyn Registrar>,
    /// Where the registry is, as far as that is known.
    hosts: Vec<(String, Option<u16>)>,
    listen: SocketAddr,
    advertise: Option<String>,
    describe: Describe,
    drain: Duration,
    finish: Duration,
    wait: Option<Duration>,
    stop_on_enter: bool,
    stop_when: Pin<Box<dyn Future<Output = ()> + Send>>,
    tell: Box<dyn FnMut(&LifecycleEvent) + Send>,
    phase: watch::Sender<Phase>,
    /// Whether the registry has ever accepted it.
    accepted: bool,
}

type Describe = Box<dyn FnOnce(Instance) -> Instance + Send>;

impl Lifecycle {
    /// The life of a server of `service`, which is registered with `registrar`.
    ///
    /// Say where the registry is with [`reaching`](Self::reaching), or use [`connect`](Self::connect), which knows.
    #[must_use]
    pub fn new(service: impl Into<String>, registrar: Arc<dyn Registrar>) -> Self {
        Self {
            service: service.into(),
            registrar,
            hosts: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            describe: Box::new(|instance| instance),
            drain: defaults::DRAIN,
            finish: defaults::FINISH,
            wait: None,
            stop_on_enter: true,
            stop_when: Box::pin(std::future::pending()),
            tell: Box::new(|_| ()),
            phase: watch::Sender::new(Phase::Starting),
            accepted: false,
        }
    }

    /// The life of a server of `service`, which is registered with the registry at `url`, as [`connect`](crate::connect)
    /// takes it.
    ///
    /// # Errors
    /// As [`connect`](crate::connect).
    pub fn connect(service: impl Into<String>, url: &str) -> Result<Self, Error> {
        let registry = crate::connect(url)?;
        Self::new(service, registry).reaching(url)
    }

    /// Says where the registry is: the address from which this host reaches it is the one that is registered for a
    /// server that listens on all.
    ///
    /// # Errors
    /// `Config` for a malformed URL.
    pub fn reaching(mut self, url: &str) -> Result<Self, Error> {
        self.hosts = url.parse::<RegistryUrl>()?.hosts().to_vec();
        Ok(self)
    }

    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// What to register instead of the address listened on, as behind NAT and in a container: `host:port`, a URL, or a
    /// host alone, which gets the port that was bound. Default `$SD_ADVERTISE`; without it the one address listened on,
    /// or for a server that listens on all, as [`advertise`](crate::advertise) says.
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.advertise = Some(address.into());
        self
    }

    /// Says more of the instance than its address: weight, zone, tags, metadata, an id of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
    /// let lifecycle = sd_kit::Lifecycle::connect("book", "memory://")?
    ///     .describe(|instance| instance.with_weight(2).with_zone("eu-1"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn describe(mut self, describe: impl FnOnce(Instance) -> Instance + Send + 'static) -> Self {
        self.describe = Box::new(describe);
        self
    }

    /// How long clients may take to see that it goes, before it goes. Default 5 s.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// How long running requests may take to finish after that. Default 20 s, so that all together stays below the 30 s
    /// after which Kubernetes kills.
    #[must_use]
    pub fn finish(mut self, finish: Duration) -> Self {
        self.finish = finish;
        self
    }

    /// Gives up when the registry has not accepted within `limit`, and is not ready before it has. Default: serves, is
    /// ready, and goes on trying for ever.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = Some(limit);
        self
    }

    /// Whether Enter stops it, on a terminal. Default: yes. Say no in a program that reads standard input itself.
    #[must_use]
    pub fn stop_on_enter(mut self, stop: bool) -> Self {
        self.stop_on_enter = stop;
        self
    }

    /// Something else that stops it, beside signals and Enter; the last one given counts.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop_when = Box::pin(stop);
        self
    }

    /// Tells of each step as it happens: for a program that prints them. They are logged in any case. It must not block.
    #[must_use]
    pub fn on_event(mut self, tell: impl FnMut(&LifecycleEvent) + Send + 'static) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Whether it wants requests, for health endpoints. Lives on when this does not.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness::new(self.phase.subscribe())
    }

    fn tell(&mut self, event: &LifecycleEvent) {
        event.log();
        (self.tell)(event);
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("service", &self.service)
            .field("registrar", &self.registrar)
            .field("listen", &self.listen)
            .field("phase", &*self.phase.borrow())
            .finish_non_exhaustive()
    }
}
