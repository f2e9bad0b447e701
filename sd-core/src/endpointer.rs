//! From instances to live services: the task that follows a subscription, and what it gives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission::PanicGauge;
use crate::balancer::Balancer;
use crate::cell::{EndpointCell, EndpointHandle};
use crate::chunked::Chunked;
use crate::defaults;
use crate::endpoints::{Endpoints, Seat};
use crate::error::Error;
use crate::factory::Factory;
use crate::filter::Filter;
use crate::instance::Instance;
use crate::load::{InstanceKey, Load};
use crate::members::{Member, Members};
use crate::snapshot::{Basis, Freshness, Snapshot};
use crate::subscription::Subscription;
use crate::updater::Updater;

/// Gives live services and whom to pick among them.
///
/// # Contract
/// The cell always holds the newest set, kept up to date off the path of requests, for as long as the endpointer
/// lives. A service is made once per (id, address); weight, health and metadata changes keep it; removal drops it, and
/// requests in flight finish on their clone. A failing factory is asked again and holds up nobody.
pub trait Endpointer<S>: fmt::Debug + Send + Sync {
    /// Where the present set stands.
    fn cell(&self) -> &Arc<EndpointCell<S>>;

    /// A handle with counters of its own.
    fn handle(&self) -> EndpointHandle<S> {
        EndpointHandle::new(Arc::clone(self.cell()))
    }
}

/// The endpointer that follows a [`Subscription`] and makes services with a [`Factory`].
pub struct DefaultEndpointer<S> {
    cell: Arc<EndpointCell<S>>,
    filter: watch::Sender<Filter>,
    task: JoinHandle<()>,
}

/// Makes a [`DefaultEndpointer`].
#[derive(Debug)]
pub struct EndpointerBuilder<F> {
    subscription: Subscription,
    factory: F,
    balancer: Arc<dyn Balancer>,
    filter: Filter,
    panic_threshold: f64,
    connect_timeout: Duration,
}

impl<F: Factory> EndpointerBuilder<F> {
    /// Only these instances are wanted. Default: all.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// When less than this share of the wanted instances is up, those that are down are picked, too: 0 to 1. Default
    /// 0, which is never; Envoy and Finagle use 0.5.
    ///
    /// # Errors
    /// `Config` for a share that is not between 0 and 1.
    pub fn panic_threshold(mut self, share: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::config(format!("panic threshold {share}: allowed are 0 to 1")));
        }
        self.panic_threshold = share;
        Ok(self)
    }

    /// How long making one service may take. Default 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub fn spawn(self) -> Result<DefaultEndpointer<F::Service>, Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::config("start an endpointer inside a tokio runtime").with_source(error))?;
        let (filter, wanted) = watch::channel(self.filter);
        let cell = Arc::new(EndpointCell::new(Endpoints::unknown(&*self.balancer)));
        let updater = Updater::new(
            Arc::clone(&cell),
            self.subscription,
            self.factory,
            self.balancer,
            wanted,
            PanicGauge::new(self.panic_threshold),
            self.connect_timeout,
        );
        let task = runtime.spawn(updater.run());
        Ok(DefaultEndpointer { cell, filter, task })
    }
}

impl<S> DefaultEndpointer<S> {
    /// Follows `subscription`, makes services with `factory` and picks with `balancer`.
    pub fn builder<F>(subscription: Subscription, factory: F, balancer: impl Balancer) -> EndpointerBuilder<F>
    where
        F: Factory<Service = S>,
    {
        EndpointerBuilder {
            subscription,
            factory,
            balancer: Arc::new(balancer),
            filter: Filter::all(),
            panic_threshold: 0.0,
            connect_timeout: defaults::INSTANCE_CONNECT_TIMEOUT,
        }
    }

    /// Wants other instances from now on. Connections to instances that stay are kept.
    pub fn set_filter(&self, filter: Filter) {
        self.filter.send_replace(filter);
    }
}

impl<S: Send + Sync> Endpointer<S> for DefaultEndpointer<S> {
    fn cell(&self) -> &Arc<EndpointCell<S>> {
        &self.cell
    }
}

impl<S> Drop for DefaultEndpointer<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S> fmt::Debug for DefaultEndpointer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DefaultEndpointer").field(&self.cell).finish()
    }
}

/// Services that are given and stay: for tests, and for programs without a registry.
pub struct FixedEndpointer<S> {
    cell: Arc<EndpointCell<S>>,
}

impl<S> FixedEndpointer<S> {
    /// These, all of which may be picked.
    pub fn new(services: impl IntoIterator<Item = (Instance, S)>, balancer: &impl Balancer) -> Self {
        let (mut members, mut slots) = (Vec::new(), Vec::new());
        for (key, (instance, service)) in (0..).zip(services) {
            let instance = Arc::new(instance);
            let load = Load::new(InstanceKey(key), Arc::clone(&instance));
            members.push(Arc::new(Member::new(instance, &load)));
            slots.push(Arc::new(Seat { service, load }));
        }
        let mut endpoints = Endpoints::unknown(balancer);
        endpoints.members.0.extend(members);
        endpoints.services.extend(slots);
        endpoints.picker = balancer.picker(&endpoints.members, None);
        endpoints.freshness = Freshness::Live;
        endpoints.basis = Basis::Registry;
        Self { cell: Arc::new(EndpointCell::new(endpoints)) }
    }
}

impl<S: Send + Sync> Endpointer<S> for FixedEndpointer<S> {
    fn cell(&self) -> &Arc<EndpointCell<S>> {
        &self.cell
    }
}

impl<S> fmt::Debug for FixedEndpointer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FixedEndpointer").field(&self.cell).finish()
    }
}

impl<S> Endpoints<S> {
    /// The set before anything is known.
    pub(crate) fn unknown(balancer: &dyn Balancer) -> Self {
        let members = Members(Chunked::new());
        let Snapshot { freshness, basis, .. } = Snapshot::pending();
        Self {
            picker: balancer.picker(&members, None),
            members,
            services: Chunked::new(),
            freshness,
            basis,
            left_out: imbl::OrdMap::new(),
            connecting: 0,
            panicking: false,
            clock: balancer.measures_latency().then(tokio::time::Instant::now),
            version: 0,
        }
    }
}

#[cfg(test)]
#[path = "endpointer_tests.rs"]
mod tests;
