//! A tonic server's life with its registry.

mod error;
mod run;
mod severable;

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Address, BoxError, Instance, Registrar, defaults};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tower_service::Service;

pub use error::ServeError;

type Describe = Box<dyn FnOnce(Instance) -> Instance + Send>;

/// A tonic server's life with its registry, in one call.
///
/// [`run`](Self::run) binds, serves, and registers what was really bound, once for each name: the full names of the
/// gRPC services that were added (`book.BookService`), or those said by [`register_as`](Self::register_as). gRPC's
/// health service is served, too, and says `SERVING` for each of them.
///
/// Told to stop, it says `NOT_SERVING`, marks its instances as draining, waits until clients can have seen that, and
/// deregisters them; only then it sends GOAWAY, takes no new requests, lets those that run finish, and cuts what is left
/// after that. A registry that is down keeps no server from starting, and delays its end by 3 s at most.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use sd_core::Registrar;
/// # type Answer = http::Response<tonic::body::Body>;
/// # async fn serve<S>(registry: Arc<dyn Registrar>, books: S) -> Result<(), Box<dyn std::error::Error>>
/// # where
/// #     S: tower_service::Service<http::Request<tonic::body::Body>, Response = Answer, Error = std::convert::Infallible>,
/// #     S: tonic::server::NamedService + Clone + Send + Sync + 'static,
/// #     S::Future: Send,
/// # {
/// sd_tonic::RegisteredServer::new(registry)
///     .listen("0.0.0.0:50051".parse()?)
///     .advertise("10.0.0.7:50051".parse()?)
///     .register_as("book")
///     .add_service(books) // BookServiceServer::new(…)
///     .run(async { drop(tokio::signal::ctrl_c().await) })
///     .await?;
/// # Ok(()) }
/// ```
///
/// It listens for no signals by itself: `sd_kit::Lifecycle` does, finds out which address to advertise, and serves tonic
/// as well.
pub struct RegisteredServer {
    registrar: Arc<dyn Registrar>,
    server: Server,
    routes: RoutesBuilder,
    /// The gRPC services that were added.
    services: Vec<&'static str>,
    names: Vec<String>,
    listen: SocketAddr,
    advertise: Option<Address>,
    describe: Describe,
    drain: Duration,
    finish: Duration,
}

impl RegisteredServer {
    /// A server that is registered with `registrar`.
    #[must_use]
    pub fn new(registrar: Arc<dyn Registrar>) -> Self {
        Self {
            registrar,
            server: Server::builder(),
            routes: Routes::builder(),
            services: Vec::new(),
            names: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            describe: Box::new(|instance| instance),
            drain: defaults::DRAIN,
            finish: defaults::FINISH,
        }
    }

    /// tonic's own settings: TLS, limits, windows, keep-alive. Default: tonic's.
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Serves this: what tonic's generator makes.
    #[must_use]
    pub fn add_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.routes.add_service(service);
        self.services.push(S::NAME);
        self
    }

    /// Registers under this name, and the others said by further calls, instead of the gRPC services' own.
    #[must_use]
    pub fn register_as(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// What to register instead of the address that was bound. A server that listens on all addresses must say it.
    #[must_use]
    pub fn advertise(mut self, address: Address) -> Self {
        self.advertise = Some(address);
        self
    }

    /// Says more of the instance than its address: weight, zone, tags, metadata, an id of its own.
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

    /// How long requests and streams may take to finish after that. Default 20 s.
    #[must_use]
    pub fn finish(mut self, finish: Duration) -> Self {
        self.finish = finish;
        self
    }
}

impl fmt::Debug for RegisteredServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredServer")
            .field("registrar", &self.registrar)
            .field("services", &self.services)
            .field("names", &self.names)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}
