//! Where the centre calls back: heartbeats and updates of all registrations, each under paths of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sd_core::{Error, default_randomness};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::feed::{Feed, Patch};

/// A present set of some ten thousand providers.
const MAX_BODY_BYTES: usize = 8 << 20;
/// Nobody but the centre has a reason to connect.
const CONNECTIONS: usize = 256;
/// A request has to arrive, and be answered, within this time.
const REQUEST: Duration = Duration::from_secs(10);

type Feeds = Arc<Mutex<HashMap<String, Arc<Feed>>>>;

/// The server for the centre's calls. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    base: String,
    feeds: Feeds,
    task: JoinHandle<()>,
}

/// A feed that is open; it is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenFeed {
    pub(crate) feed: Arc<Feed>,
    pub(crate) update_url: String,
    pub(crate) heartbeat_url: String,
    /// An URL that is this registration's alone, for one that provides nothing.
    pub(crate) own_url: String,
    path: String,
    feeds: Feeds,
}

impl Listener {
    pub(crate) fn start(listen: SocketAddr, advertise: Option<&str>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        let failed = |error: std::io::Error| {
            Error::unavailable(format!("can't listen on {listen}")).with_backend("push").with_source(error)
        };
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let authority = match advertise {
            None => bound.to_string(),
            Some(host) if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => host.to_owned(),
            Some(host) => format!("{host}:{}", bound.port()),
        };
        let feeds = Feeds::default();
        let task = runtime.spawn(accept(listener, Arc::clone(&feeds)));
        Ok(Self { base: format!("http://{authority}"), feeds, task })
    }

    /// Paths for one more registration.
    pub(crate) fn open(&self) -> OpenFeed {
        let randomness = default_randomness();
        let path = format!("{:016x}{:016x}", randomness.next_u64(), randomness.next_u64());
        let feed = Arc::new(Feed::new(randomness.next_u64()));
        lock(&self.feeds).insert(path.clone(), Arc::clone(&feed));
        let own_url = format!("{}/{path}", self.base);
        let (update_url, heartbeat_url) = (format!("{own_url}/services"), format!("{own_url}/heartbeat"));
        OpenFeed { feed, update_url, heartbeat_url, own_url, path, feeds: Arc::clone(&self.feeds) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for OpenFeed {
    fn drop(&mut self) {
        self.feed.close();
        lock(&self.feeds).remove(&self.path);
    }
}

async fn accept(listener: TcpListener, feeds: Feeds) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&feeds)))),
                Err(error) => {
                    tracing::warn!(%error, "a call of the centre can't be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, feeds: Feeds) {
    let service = service_fn(move |request| {
        let feeds = Arc::clone(&feeds);
        async move {
            let status = match tokio::time::timeout(REQUEST, answer(request, &feeds)).await {
                Ok(status) => status,
                Err(_) => StatusCode::REQUEST_TIMEOUT,
            };
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(120));
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a call of the centre broke off");
    }
}

/// As the article's handlers answer: heartbeats always, updates by `POST` alone.
async fn answer(request: Request<Incoming>, feeds: &Feeds) -> StatusCode {
    let mut parts = request.uri().path().trim_start_matches('/').splitn(2, '/');
    let feed = parts.next().and_then(|path| lock(feeds).get(path).cloned());
    match (feed, parts.next()) {
        (Some(feed), Some("heartbeat")) => {
            feed.beat();
            StatusCode::OK
        }
        (Some(_), Some("services")) if request.method() != Method::POST => StatusCode::METHOD_NOT_ALLOWED,
        (Some(feed), Some("services")) => {
            let Ok(body) = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await else {
                return StatusCode::BAD_REQUEST;
            };
            match serde_json::from_slice::<Patch>(&body.to_bytes()) {
                Ok(patch) => {
                    feed.take(patch);
                    StatusCode::OK
                }
                Err(error) => {
                    tracing::warn!(%error, "the centre has pushed what is no patch");
                    StatusCode::BAD_REQUEST
                }
            }
        }
        _ => StatusCode::NOT_FOUND,
    }
}

fn lock(feeds: &Feeds) -> MutexGuard<'_, HashMap<String, Arc<Feed>>> {
    feeds.lock().unwrap_or_else(PoisonError::into_inner)
}
