//! How connections to instances are made: one HTTP/2 connection each.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use sd_core::{BoxError, Connecting, Error, Factory, Instance};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::dial::dial;

/// How connections to instances are made: one HTTP/2 connection each, made as soon as the instance is known.
///
/// A connection that breaks is made anew, with backoff; nobody picks its instance meanwhile. It counts as made once the
/// server has spoken HTTP/2, so that a process that hangs does not count.
///
/// # What an instance says
/// Two pairs of its metadata are honoured: `authority` (the calls' `:authority`, and the name that its certificate must
/// bear) and `tls` (`true` or `false`). An address that is an `https://` URL asks for TLS, too.
///
/// It is a [`Factory`], so that everything of `sd-lb` can be built on it.
#[derive(Clone)]
pub struct Connector {
    settings: Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) windows: (Option<u32>, Option<u32>),
    pub(crate) authority: Option<Authority>,
    pub(crate) user_agent: HeaderValue,
    pub(crate) security: Option<(Arc<dyn Security>, bool)>,
    /// How often servers have complained of too many pings: the interval is doubled as often.
    pub(crate) calm: Arc<AtomicU32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAlive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) while_idle: bool,
}

/// A byte stream to an instance.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for T {}

pub(crate) type Wire = Box<dyn Stream>;
pub(crate) type Handshake = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

/// What turns a TCP connection into one that nobody else reads.
pub(crate) trait Security: fmt::Debug + Send + Sync {
    /// Secures `wire` to a server whose certificate bears `name`.
    fn secure(&self, wire: TcpStream, name: &str) -> Handshake;
}

/// How often the interval may be doubled: 20 s becomes five minutes, which is what gRPC servers allow at least.
const MOST_CALM: u32 = 4;

const USER_AGENT: &str = concat!("sd-tonic/", env!("CARGO_PKG_VERSION"));

impl Connector {
    /// Plain connections, with keep-alive.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings {
                keep_alive: Some(KeepAlive {
                    interval: Duration::from_secs(20),
                    timeout: Duration::from_secs(5),
                    while_idle: false,
                }),
                windows: (None, None),
                authority: None,
                user_agent: HeaderValue::from_static(USER_AGENT),
                security: None,
                calm: Arc::default(),
            },
        }
    }

    /// Asks a server that has been silent for `interval`, while calls run, whether it is there, and leaves it when it
    /// does not answer within `timeout`. Default 20 s and 5 s. A server that complains of too many pings doubles the
    /// interval, up to sixteenfold, for all connections that are made later.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        let while_idle = self.settings.keep_alive.is_some_and(|keep_alive| keep_alive.while_idle);
        self.settings.keep_alive = Some(KeepAlive { interval, timeout, while_idle });
        self
    }

    /// Asks while no call runs, too. Default: no, since most gRPC servers forbid it.
    #[must_use]
    pub fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        if let Some(keep_alive) = &mut self.settings.keep_alive {
            keep_alive.while_idle = while_idle;
        }
        self
    }

    /// Never asks: a server that hangs, or a connection that was cut silently, is noticed by deadlines alone.
    #[must_use]
    pub fn no_keep_alive(mut self) -> Self {
        self.settings.keep_alive = None;
        self
    }

    /// How many bytes a server may send ahead, per stream and per connection. Default: hyper's 2 MiB and 5 MiB.
    #[must_use]
    pub fn windows(mut self, stream: u32, connection: u32) -> Self {
        self.settings.windows = (Some(stream), Some(connection));
        self
    }

    /// The `:authority` of all calls, but those to instances whose metadata say another. Default: the instance's
    /// address.
    ///
    /// # Errors
    /// `Config` for what is not a host or `host:port`.
    pub fn authority(mut self, authority: &str) -> Result<Self, Error> {
        let parsed = Authority::try_from(authority).ok().filter(|parsed| !parsed.as_str().contains('@'));
        let refused = || Error::config(format!("authority {authority:?}: allowed is host or host:port"));
        self.settings.authority = Some(parsed.ok_or_else(refused)?);
        Ok(self)
    }

    /// What stands before our own `user-agent`.
    ///
    /// # Errors
    /// `Config` for what no header can hold.
    pub fn user_agent(mut self, user_agent: &str) -> Result<Self, Error> {
        self.settings.user_agent = HeaderValue::try_from(format!("{user_agent} {USER_AGENT}")).map_err(|error| {
            Error::config(format!("user agent {user_agent:?}: it fits no header")).with_source(error)
        })?;
        Ok(self)
    }

    #[cfg(feature = "tls")]
    pub(crate) fn secured(mut self, security: Arc<dyn Security>, demanded: bool) -> Self {
        self.settings.security = Some((security, demanded));
        self
    }
}

impl Settings {
    /// Keep-alive, as far apart as servers have asked for.
    pub(crate) fn calm_keep_alive(&self) -> Option<KeepAlive> {
        let doublings = self.calm.load(Ordering::Relaxed);
        self.keep_alive.map(|KeepAlive { interval, timeout, while_idle }| KeepAlive {
            interval: interval.saturating_mul(1 << doublings.min(MOST_CALM)),
            timeout,
            while_idle,
        })
    }

    /// Notes that a server has complained of too many pings.
    pub(crate) fn calm_down(&self) {
        // Several connections of one server complain together, and one doubling too many does no harm.
        let _ =
            self.calm.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |calm| (calm < MOST_CALM).then_some(calm + 1));
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Factory for Connector {
    type Service = Connection;

    fn make(&self, instance: Arc<Instance>) -> Connecting<Connection> {
        Connecting::Later(Box::pin(dial(self.settings.clone(), instance)))
    }

    fn lost(&self, connection: &Connection) -> Option<Pin<Box<dyn Future<Output = BoxError> + Send>>> {
        Some(Box::pin(connection.ended()))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("keep_alive", &self.settings.calm_keep_alive())
            .field("authority", &self.settings.authority)
            .field("tls", &self.settings.security.is_some())
            .finish_non_exhaustive()
    }
}
