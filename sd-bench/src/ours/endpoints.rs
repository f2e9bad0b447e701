//! Live endpoints over the same instances that everyone else is given.

use std::convert::Infallible;
use std::sync::Arc;

use sd_core::{
    Change, DefaultEndpointer, EndpointCell, Endpointer, Factory, FixedEndpointer, Instance, PickRequest, Publisher,
    StalenessPolicy, defaults, factory_fn,
};
use sd_lb::{Random, RoundRobin};
use tokio::runtime::{Builder, Runtime};

use super::Policy;
use crate::data::address;

/// The `index`th instance.
#[must_use]
pub fn instance(index: usize) -> Instance {
    Instance::new(address(index))
}

/// `n` services that stay.
pub fn fixed<S>(policy: Policy, n: usize, service: impl Fn(usize) -> S) -> FixedEndpointer<S> {
    let services = (0..n).map(|index| (instance(index), service(index)));
    match policy {
        Policy::RoundRobin => FixedEndpointer::new(services, &RoundRobin::new()),
        Policy::Random => FixedEndpointer::new(services, &Random::new()),
    }
}

/// What a factory makes where nobody calls: as small as can be, so that what is measured is what holds it.
#[derive(Debug, Clone, Copy)]
pub struct Uncalled;

/// Makes [`Uncalled`] services.
pub fn uncalled() -> impl Factory<Service = Uncalled> {
    factory_fn(|_| Ok::<_, Infallible>(Uncalled))
}

/// What publishes instances, and the endpoints that follow it, on a runtime of their own.
pub struct Followed {
    runtime: Runtime,
    publisher: Publisher,
    endpointer: DefaultEndpointer<Uncalled>,
}

impl Followed {
    /// `n` instances, taken over by round robin endpoints.
    pub fn start(n: usize) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let publisher = publisher(n);
        let endpointer = runtime.block_on(follow(&publisher))?;
        Ok(Self { runtime, publisher, endpointer })
    }

    /// Where the endpoints stand.
    pub fn cell(&self) -> &Arc<EndpointCell<Uncalled>> {
        self.endpointer.cell()
    }

    /// Publishes a change and lets the endpoints' own task take it over; returns when a pick knows it.
    pub fn publish(&self, change: Change) {
        let cell = self.cell();
        let seen = cell.version();
        self.runtime.block_on(async {
            self.publisher.apply([change]);
            while cell.version() == seen {
                tokio::task::yield_now().await;
            }
        });
        std::hint::black_box(cell.pick(PickRequest::new()).is_ok());
    }
}

/// What publishes `n` instances.
#[must_use]
pub fn publisher(n: usize) -> Publisher {
    let publisher = Publisher::new(StalenessPolicy::default(), defaults::TTL);
    publisher.replace((0..n).map(instance).map(Arc::new));
    publisher
}

/// Endpoints that follow `publisher`, once they have taken over what it holds.
pub async fn follow(publisher: &Publisher) -> anyhow::Result<DefaultEndpointer<Uncalled>> {
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), uncalled(), RoundRobin::new()).spawn()?;
    while endpointer.cell().load().members().len() != publisher.current().len() {
        endpointer.cell().changed(endpointer.cell().version()).await;
    }
    Ok(endpointer)
}
