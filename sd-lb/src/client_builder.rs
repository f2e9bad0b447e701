//! Makes a client.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{AtHead, Balancer, DefaultEndpointer, Error, Factory, Filter, Subscription, defaults};

use crate::balanced::Balanced;
use crate::client::Client;
use crate::policy::Never;
use crate::retry::Retry;
use crate::round_robin::RoundRobin;

/// Makes a [`Client`].
#[derive(Debug)]
#[must_use = "nothing is called until a client is made with `connect_with`"]
pub struct ClientBuilder<P = Never, C = AtHead> {
    subscription: Subscription,
    balancer: Arc<dyn Balancer>,
    retry: Retry<P>,
    completion: C,
    filter: Filter,
    panic_threshold: f64,
    connect_timeout: Duration,
    fail_fast: bool,
}

impl ClientBuilder {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            balancer: Arc::new(RoundRobin::new()),
            // An error does not tell whether the work was done: nothing is called twice unless that is asked for.
            retry: Retry::attempts(1).policy(Never),
            completion: AtHead,
            filter: Filter::all(),
            panic_threshold: 0.0,
            connect_timeout: defaults::INSTANCE_CONNECT_TIMEOUT,
            fail_fast: false,
        }
    }
}

impl<P, C> ClientBuilder<P, C> {
    /// Whom to call. Default: [`RoundRobin`].
    pub fn balancer(mut self, balancer: impl Balancer) -> Self {
        self.balancer = Arc::new(balancer);
        self
    }

    /// What is tried again. Default: nothing, one attempt within 3 s.
    pub fn retry<Q>(self, retry: Retry<Q>) -> ClientBuilder<Q, C> {
        let Self { subscription, balancer, completion, filter, panic_threshold, connect_timeout, fail_fast, .. } = self;
        ClientBuilder { subscription, balancer, retry, completion, filter, panic_threshold, connect_timeout, fail_fast }
    }

    /// When a response is complete. Default: when its head is there.
    pub fn completion<D>(self, completion: D) -> ClientBuilder<P, D> {
        let Self { subscription, balancer, retry, filter, panic_threshold, connect_timeout, fail_fast, .. } = self;
        ClientBuilder { subscription, balancer, retry, completion, filter, panic_threshold, connect_timeout, fail_fast }
    }

    /// Which instances are wanted. Default: all.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// When less than this share of the wanted instances is up, those that are down are picked, too: 0 to 1, anything
    /// else is refused by [`connect_with`](Self::connect_with). Default 0, which is never; Envoy and Finagle use 0.5.
    pub fn panic_threshold(mut self, share: f64) -> Self {
        self.panic_threshold = share;
        self
    }

    /// How long making one service may take. Default 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Fails a call at once, too, while it is undecided whether anybody can be picked. Default: false; calls wait for as
    /// long as their total time lasts.
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// Starts following the instances, and gives the client. Does not wait for them.
    ///
    /// # Errors
    /// `Config` outside a tokio runtime, for a panic threshold that is not 0 to 1, and for what [`Retry::wrap`] refuses.
    pub fn connect_with<F: Factory>(self, factory: F) -> Result<Client<F::Service, P, C>, Error>
    where
        C: Clone,
    {
        let endpointer = DefaultEndpointer::builder(self.subscription, factory, self.balancer)
            .filter(self.filter)
            .panic_threshold(self.panic_threshold)?
            .connect_timeout(self.connect_timeout)
            .spawn()?;
        let endpointer = Arc::new(endpointer);
        let balanced = Balanced::new(endpointer.clone()).fail_fast(self.fail_fast).completion(self.completion);
        Ok(Client::new(self.retry.wrap(balanced)?, endpointer))
    }
}
