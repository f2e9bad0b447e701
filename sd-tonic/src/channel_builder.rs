//! Makes a channel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{
    Backend, Balancer, DefaultEndpointer, Error, Filter, Randomness, Subscription, default_randomness, defaults,
};
use sd_lb::{Budget, RoundRobin};

use crate::channel::Channel;
use crate::connector::Connector;
use crate::service_config::ServiceConfig;
use crate::shared::Shared;

/// Makes a [`Channel`].
#[must_use = "nothing is called until a channel is made with `connect`"]
pub struct ChannelBuilder {
    name: String,
    subscription: Subscription,
    registry: Option<Arc<dyn Backend>>,
    balancer: Arc<dyn Balancer>,
    connector: Connector,
    config: ServiceConfig,
    filter: Filter,
    panic_threshold: f64,
    connect_timeout: Duration,
    timeout: Option<Duration>,
    wait_for_ready: bool,
    fail_fast: bool,
    wait_timeout: Duration,
    budget: Budget,
    randomness: Arc<dyn Randomness>,
}

impl ChannelBuilder {
    pub(crate) fn new(name: String, subscription: Subscription, registry: Option<Arc<dyn Backend>>) -> Self {
        Self {
            name,
            subscription,
            registry,
            balancer: Arc::new(RoundRobin::new()),
            connector: Connector::new(),
            config: ServiceConfig::new(),
            filter: Filter::all(),
            panic_threshold: 0.0,
            connect_timeout: defaults::INSTANCE_CONNECT_TIMEOUT,
            timeout: None,
            wait_for_ready: false,
            fail_fast: false,
            wait_timeout: defaults::RETRY_TIMEOUT,
            budget: Budget::default(),
            randomness: default_randomness(),
        }
    }

    /// Whom to call. Default: round robin. Of this and a [`service_config`](Self::service_config) that names a policy
    /// the last stands.
    pub fn balancer(mut self, balancer: impl Balancer) -> Self {
        self.balancer = Arc::new(balancer);
        self
    }

    /// How connections are made: keep-alive, TLS, authority. Default: plain ones, with keep-alive.
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// What holds for which method, and which policy picks. Default: nothing in particular.
    pub fn service_config(mut self, config: ServiceConfig) -> Self {
        if let Some(balancer) = &config.balancer {
            self.balancer = Arc::clone(balancer);
        }
        self.config = config;
        self
    }

    /// Which instances are wanted. Default: all.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// When less than this share of the wanted instances is up, those that are down are picked, too: 0 to 1. Default 0,
    /// which is never.
    pub fn panic_threshold(mut self, share: f64) -> Self {
        self.panic_threshold = share;
        self
    }

    /// How long making one connection may take, the server's greeting included. Default 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time of calls that say none, and whose method says none; more than 0. Default: none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether calls wait until somebody can be picked, for as long as their time lasts: gRPC's wait-for-ready. A
    /// method's own rule stands before it. Default: false.
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = wait;
        self
    }

    /// Fails a call at once, too, while it is undecided whether anybody can be picked. Default: false.
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// How long a call waits while it is undecided whether anybody can be picked. Default 3 s.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = timeout;
        self
    }

    /// How many calls may be tried again as their method's rule says, unless the service config says how retries are
    /// throttled. Default: a [`Budget`] of its own, of 20 % and 10 per second.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What pauses are drawn from. Default: `rand`'s generator of the thread.
    pub fn randomness(mut self, randomness: Arc<dyn Randomness>) -> Self {
        self.randomness = randomness;
        self
    }

    /// Starts following the instances and connecting to them, and gives the channel. Waits for nobody.
    ///
    /// # Errors
    /// `Config` outside a tokio runtime, for a panic threshold that is not 0 to 1, for a timeout of 0, for waiting and
    /// failing at once, and for what a method's rule may not be.
    pub fn connect(self) -> Result<Channel, Error> {
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::config("channel: a timeout of 0: allowed is more than 0, or none"));
        }
        if self.wait_for_ready && self.fail_fast {
            return Err(Error::config("channel: wait_for_ready and fail_fast: one of them"));
        }
        self.config.check()?;
        let endpointer = DefaultEndpointer::builder(self.subscription, self.connector, self.balancer)
            .filter(self.filter)
            .panic_threshold(self.panic_threshold)?
            .connect_timeout(self.connect_timeout)
            .spawn()?;
        Ok(Channel::new(Shared {
            name: self.name,
            endpointer: Arc::new(endpointer),
            config: self.config,
            timeout: self.timeout,
            wait_for_ready: self.wait_for_ready,
            fail_fast: self.fail_fast,
            wait_timeout: self.wait_timeout,
            budget: self.budget,
            randomness: self.randomness,
            _registry: self.registry,
        }))
    }
}

impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("name", &self.name)
            .field("balancer", &self.balancer)
            .field("connector", &self.connector)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
