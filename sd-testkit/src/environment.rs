//! What the author of a backend implements to run the suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Backend, ServiceName, StalenessPolicy};

/// A registry of its own for one test, empty at the start, and what can be done to it.
///
/// # Contract
/// Two environments never see each other's entries: each has a server or at least a namespace of its own. All
/// connections of one environment see the same entries. When it is dropped, whatever it has started ends.
#[async_trait]
pub trait Environment: Send + Sync + 'static {
    /// What this registry is able to do. What it is not able to do is not asked of it.
    fn capabilities(&self) -> Capabilities;

    /// A fresh connection to the same registry and namespace. Called inside a tokio runtime; never waits.
    fn connect(&self, options: &ConnectOptions) -> Arc<dyn Backend>;

    /// Breaks or mends something, and says whether that can be done here; `false` leaves everything as it was.
    ///
    /// When it resolves, the fault is in effect: after [`Fault::Up`] the registry answers again.
    async fn inject(&self, fault: Fault<'_>) -> bool {
        let _ = fault;
        false
    }

    /// How many watches the registry itself counts at this moment, where it can tell.
    async fn watches(&self) -> Option<usize> {
        None
    }

    /// How many connections to the registry are open now, where that can be told.
    fn connections(&self) -> Option<usize> {
        None
    }

    /// The URL under which a further process finds the same registry and namespace, where there is one.
    fn url(&self) -> Option<String> {
        None
    }

    /// How many requests the registry itself has counted since it started, where it can tell.
    async fn requests(&self) -> Option<f64> {
        None
    }
}

/// What a registry is able to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capabilities {
    /// How long an entry outlives a registrant that died, as granted; `None` where nothing ends it.
    pub ttl: Option<Duration>,
    /// Whether weight, health, tags and metadata survive being written.
    pub details: bool,
    /// Whether an entry whose registrant died stays, as one that is down.
    pub keeps_the_dead: bool,
    /// How many registrants of one host, with connections of their own, it takes at the same time.
    pub most_registrants: usize,
    /// Within which time a registry that fell silent is noticed.
    pub silence: Duration,
}

impl Capabilities {
    /// A registry that carries everything, and whose entries live for `ttl` without their registrant.
    #[must_use]
    pub fn new(ttl: Option<Duration>) -> Self {
        Self {
            ttl,
            details: true,
            keeps_the_dead: false,
            most_registrants: usize::MAX,
            silence: Duration::from_secs(30),
        }
    }

    /// Says that nothing but the address survives being written.
    #[must_use]
    pub fn without_details(mut self) -> Self {
        self.details = false;
        self
    }

    /// Says how many registrants of one host, with connections of their own, it takes at the same time. Default: any.
    #[must_use]
    pub fn most_registrants(mut self, most: usize) -> Self {
        self.most_registrants = most;
        self
    }

    /// Says that an entry whose registrant died stays, as one that is down.
    #[must_use]
    pub fn keeping_the_dead(mut self) -> Self {
        self.keeps_the_dead = true;
        self
    }

    /// Says within which time a registry that fell silent is noticed. Default 30 s.
    #[must_use]
    pub fn noticing_silence_within(mut self, bound: Duration) -> Self {
        self.silence = bound;
        self
    }

    /// For how long to look at something that must not happen: longer than any entry lives by itself.
    #[must_use]
    pub fn watchful_time(&self) -> Duration {
        self.ttl.map_or(Duration::from_millis(300), |ttl| ttl * 2)
    }
}

/// What a test asks of a connection, beside the defaults.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// How long a watch without subscribers is kept.
    pub linger: Option<Duration>,
    /// What to do with a set that grows old or shrinks too much at once.
    pub staleness: Option<StalenessPolicy>,
}

impl ConnectOptions {
    /// Sets how long a watch without subscribers is kept.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = Some(linger);
        self
    }

    /// Sets what to do with a set that grows old or shrinks too much at once.
    #[must_use]
    pub fn staleness(mut self, policy: StalenessPolicy) -> Self {
        self.staleness = Some(policy);
        self
    }
}

/// Something that is done to a registry, or to the way there.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Fault<'a> {
    /// The registry dies at once, as by kill -9.
    Down,
    /// It comes back with its data.
    Up,
    /// It comes back, and has forgotten everything.
    UpWithoutData,
    /// It stands still and answers nothing, and its connections stay open: SIGSTOP.
    Pause,
    /// It goes on.
    Resume,
    /// All connections to it break once; new ones are taken.
    Cut,
    /// Connections are taken and kept, and nothing passes.
    Hold,
    /// Everything passes late and in small pieces.
    Slow,
    /// The way there is free again.
    Release,
    /// An entry is ended behind its owner's back, as an expired lease ends it.
    Expire {
        /// The service.
        service: &'a ServiceName,
        /// The instance.
        id: &'a str,
    },
    /// Something that no codec can read is put among a service's entries.
    Plant {
        /// The service.
        service: &'a ServiceName,
        /// Under which id.
        id: &'a str,
        /// What stands there.
        value: &'a str,
    },
}
