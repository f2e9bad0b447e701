//! What a centre needs to know, and how it is started.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backend, Error, Randomness, default_randomness};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::change::Epoch;
use crate::engine::ledger::Ledger;
use crate::engine::limits::Limits;
use crate::engine::preservation::SelfPreservation;
use crate::engine::{Engine, Settings};
use crate::front::Front;
use crate::http::access::Tokens;
use crate::http::app::{App, AppState};
use crate::http::guard::Guard;
use crate::metrics::Metrics;
use crate::push::{Push, PushRules, Shelf};
use crate::server::Centre;
use crate::server::doors::Doors;
use crate::server::listener::Listening;
use crate::server::tls::{Tls, TlsFiles};
use crate::store::{Disk, Loaded, Store};

/// The contract of the API: a stream says something at least this often.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(10);

/// What a centre needs to know. Each setting has a default that suits development; production sets at least
/// [`data`](Self::data) or [`store`](Self::store), and [`tokens`](Self::tokens) with [`tls`](Self::tls) before it
/// listens elsewhere than on loopback.
#[derive(Debug)]
#[must_use = "a centre runs once it is spawned"]
pub struct CentreBuilder {
    listen: SocketAddr,
    also_listen: Vec<SocketAddr>,
    data: Option<PathBuf>,
    store: Option<Arc<dyn Backend>>,
    tokens: Option<PathBuf>,
    tls: Option<TlsFiles>,
    limits: Limits,
    preservation: SelfPreservation,
    push: PushRules,
    restart_grace: Duration,
    heartbeat: Duration,
    randomness: Arc<dyn Randomness>,
}

impl Default for CentreBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            also_listen: Vec::new(),
            data: None,
            store: None,
            tokens: None,
            tls: None,
            limits: Limits::default(),
            preservation: SelfPreservation::default(),
            push: PushRules::default(),
            restart_grace: Duration::from_secs(30),
            heartbeat: LONGEST_HEARTBEAT,
            randomness: default_randomness(),
        }
    }
}

impl CentreBuilder {
    /// Where it listens; port 0 takes a free one. Default `127.0.0.1:0`. Elsewhere than on loopback without
    /// [`tokens`](Self::tokens) everybody who can connect may do everything: that is warned of loudly.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Listens here as well; port 0 takes the port that was bound first. A name such as `localhost` may mean both
    /// `127.0.0.1` and `[::1]`. An address that this host does not have, such as the second where there is no IPv6, is
    /// left out with a warning.
    pub fn also_listen(mut self, address: SocketAddr) -> Self {
        self.also_listen.push(address);
        self
    }

    /// Keeps what is registered in this folder, over restarts and crashes; it is made if it is not there. Default: in
    /// memory. One centre at a time can use it.
    ///
    /// What was acknowledged is on disk. Renewals are not: after a restart every lease begins anew, with the
    /// [`restart_grace`](Self::restart_grace). An older copy of the folder must not be put in place of a newer one
    /// while clients live that have seen the newer one: they would resume at revisions that mean something else.
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Keeps what is registered in another registry: this centre is then a front of it, and several fronts show the
    /// same. Excludes [`data`](Self::data).
    ///
    /// Liveness is the backend's: an entry stands there under a lease of this front, for as long as its registrant
    /// renews here. When this front dies, the entry goes with the backend's TTL, unless its registrant has registered
    /// at another front by then, which takes it over. Revisions are this front's own, and begin anew with it: a watch
    /// resumes at the front, and in the process, that it was at, and is given a snapshot everywhere else. What is
    /// watched of all services, or of their names, has this front watch each service of the backend.
    /// Self-preservation is left to the backend, too. An owner is kept as metadata (`sd-registry-owner`): where the
    /// backend's codec carries none (`plain`), fronts can't tell a registrant that comes back from a newer one.
    pub fn store(mut self, backend: Arc<dyn Backend>) -> Self {
        self.store = Some(backend);
        self
    }

    /// Lets only those in who show a token of this file, read again within 2 s when it changes. Default: everybody.
    ///
    /// ```json
    /// {"tokens": [{"name": "ops", "token": "at least 16 letters", "read": ["*"], "write": ["book", "shop-*"]}]}
    /// ```
    ///
    /// `"sha256"`, in hex, may stand in place of `"token"`. A right is a service's name, a prefix with `*`, or `*`.
    pub fn tokens(mut self, file: impl Into<PathBuf>) -> Self {
        self.tokens = Some(file.into());
        self
    }

    /// Speaks TLS. Default: not.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// How much is too much.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// When evictions stop. Has no meaning with [`store`](Self::store).
    pub fn self_preservation(mut self, rules: SelfPreservation) -> Self {
        self.preservation = rules;
        self
    }

    /// Whom `/services` answers and whom it calls back: article 001's protocol, in which services are asked for
    /// heartbeats and told by push. With [`data`](Self::data) a restart knows who requires whom, goes on asking for
    /// heartbeats, and tells receivers what they have missed; otherwise services must register again.
    pub fn push(mut self, rules: PushRules) -> Self {
        self.push = rules;
        self
    }

    /// After a restart with [`data`](Self::data) no lease lapses before this time has passed. Default 30 s.
    pub fn restart_grace(mut self, grace: Duration) -> Self {
        self.restart_grace = grace;
        self
    }

    /// How often a silent watch is given a sign of life: 100 ms to 10 s. Default 10 s.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// Starts it. It listens when this returns.
    ///
    /// # Errors
    /// `Config`: a setting that can't be, a file that can't be read. `Unavailable`: the address is taken, the data
    /// can't be opened.
    pub async fn spawn(self) -> Result<Centre, Error> {
        self.check()?;
        let metrics = Arc::new(Metrics::default());
        let tokens = match self.tokens.clone() {
            Some(file) => Some(Arc::new(blocking(move || Tokens::read(&file)).await?)),
            None => None,
        };
        let tls = match self.tls.clone() {
            Some(files) => Some(Arc::new(blocking(move || Tls::read(files)).await?)),
            None => None,
        };
        let listener = bind(self.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::unavailable("the listener has no address").with_source(error))?;
        let (mut others, mut also) = (Vec::new(), Vec::new());
        for other in &self.also_listen {
            let port = if other.port() == 0 { address.port() } else { other.port() };
            let other = SocketAddr::new(other.ip(), port);
            match bind(other).await {
                Ok(listener) => {
                    also.push(other);
                    others.push(listener);
                }
                Err(error) if is_not_here(&error) => tracing::warn!(%other, "not listened on: this host has it not"),
                Err(error) => return Err(error),
            }
        }
        let loopback = address.ip().is_loopback() && self.also_listen.iter().all(|other| other.ip().is_loopback());
        if !loopback && tokens.is_none() {
            tracing::warn!(%address, "OPEN TO EVERYBODY: this centre listens beyond loopback and asks for no tokens");
        } else if !loopback && tls.is_none() {
            tracing::warn!(%address, "tokens cross the network in the clear: this centre speaks no TLS");
        }
        let ledger = self.ledger(&metrics).await?;
        let data = self.data.clone();
        let shelf = blocking(move || Shelf::open(data.as_deref())).await?;
        let push = Push::start(Arc::clone(&ledger), self.push.clone(), shelf, Arc::clone(&metrics));
        let (stop, stopping) = watch::channel(false);
        let app = App::new(AppState {
            ledger: Arc::clone(&ledger),
            limits: self.limits,
            guard: Guard::new(loopback && tokens.is_none(), self.limits.requests_per_second),
            push,
            tokens: tokens.clone(),
            metrics: Arc::clone(&metrics),
            heartbeat: self.heartbeat,
            stopping: stopping.clone(),
            started: Instant::now(),
        });
        let secure = tls.is_some();
        let doors = Doors::new(self.limits, metrics);
        let router = crate::http::router(app);
        let listen = |listener| {
            let (router, tls, tokens) = (router.clone(), tls.clone(), tokens.clone());
            let (doors, stopping) = (doors.clone(), stopping.clone());
            tokio::spawn(Listening { listener, router, tls, tokens, doors, stopping }.run())
        };
        let listening = std::iter::once(listener).chain(others).map(listen).collect();
        tracing::info!(%address, secure, "the centre listens");
        Ok(Centre { address, also, secure, ledger, stop, listening })
    }

    async fn ledger(&self, metrics: &Arc<Metrics>) -> Result<Arc<dyn Ledger>, Error> {
        let epoch = Epoch(self.randomness.next_u64());
        if let Some(backend) = &self.store {
            return Ok(Arc::new(Front::start(Arc::clone(backend), epoch, self.limits, Arc::clone(metrics))));
        }
        let settings = Settings { limits: self.limits, preservation: self.preservation, grace: self.restart_grace };
        let (store, loaded) = match &self.data {
            None => (Store::Memory, Loaded { epoch, revision: 0, entries: Vec::new() }),
            Some(folder) => {
                let folder: PathBuf = folder.clone();
                let (disk, loaded) = blocking(move || Disk::open(Path::new(&folder), epoch)).await?;
                (Store::Disk(disk), loaded)
            }
        };
        tracing::info!(store = store.name(), instances = loaded.entries.len(), revision = loaded.revision, "loaded");
        Ok(Arc::new(Engine::start(store, loaded, settings, Arc::clone(metrics))))
    }

    fn check(&self) -> Result<(), Error> {
        self.push.check()?;
        let heartbeat = Duration::from_millis(100)..=LONGEST_HEARTBEAT;
        if !heartbeat.contains(&self.heartbeat) {
            return Err(Error::config(format!("heartbeat {:?}: allowed are 100 ms to 10 s", self.heartbeat)));
        }
        if !(0.0..=1.0).contains(&self.preservation.share) {
            let share = self.preservation.share;
            return Err(Error::config(format!("self-preservation share {share}: allowed are 0 to 1")));
        }
        let largest = sd_core::defaults::MAX_VALUE_BYTES;
        if !(1..=largest).contains(&self.limits.value_bytes) {
            let given = self.limits.value_bytes;
            return Err(Error::config(format!("limit of {given} bytes per instance: allowed are 1 to {largest}")));
        }
        if self.data.is_some() && self.store.is_some() {
            return Err(Error::config("data and store: a front keeps nothing itself; set one of them"));
        }
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::unavailable(format!("can't listen on {address}")).with_backend("sd").with_source(error))
}

/// Whether a host has no such address, or not even its kind.
fn is_not_here(error: &Error) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, Unsupported};
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    // Linux says EAFNOSUPPORT where IPv6 is switched off, which std gives no name.
    cause
        .is_some_and(|error| matches!(error.kind(), AddrNotAvailable | Unsupported) || error.raw_os_error() == Some(97))
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::unavailable("starting was broken off").with_source(error)),
    }
}
