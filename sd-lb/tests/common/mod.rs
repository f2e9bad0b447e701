//! What the tests share: services that do as they are told, and sets of them.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests; clippy sees tests only inside test functions")]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use sd_core::{
    Balancer, Change, DefaultEndpointer, Endpointer, Error, FixedEndpointer, Instance, Publisher, StalenessPolicy,
    defaults, factory_fn,
};
use tower_service::Service;

pub(crate) fn instance(port: u16) -> Instance {
    Instance::new(SocketAddr::from(([127, 0, 0, 1], port)))
}

pub(crate) fn put(instance: Instance) -> Change {
    Change::Put(Arc::new(instance))
}

pub(crate) fn remove(port: u16) -> Change {
    Change::Remove(instance(port).id().into())
}

pub(crate) fn publisher() -> Publisher {
    Publisher::new(StalenessPolicy::default(), defaults::TTL)
}

/// What an instance does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Answer,
    Fail,
    Hang,
    Take(Duration),
    /// Fails after a time.
    FailAfter(Duration),
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub(crate) struct Refused;

/// A service that answers with its port, or does what it was told to.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) port: u16,
    act: Arc<Mutex<Act>>,
    calls: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) fn new(port: u16, act: Act) -> Self {
        Self { port, act: Arc::new(Mutex::new(act)), calls: Arc::default() }
    }

    pub(crate) fn set(&self, act: Act) {
        *self.act.lock().unwrap() = act;
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl<Req> Service<Req> for Scripted {
    type Response = u16;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<u16, Refused>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Req) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (port, act) = (self.port, *self.act.lock().unwrap());
        Box::pin(async move {
            match act {
                Act::Answer => Ok(port),
                Act::Fail => Err(Refused),
                Act::Hang => std::future::pending().await,
                Act::Take(time) => {
                    tokio::time::sleep(time).await;
                    Ok(port)
                }
                Act::FailAfter(time) => {
                    tokio::time::sleep(time).await;
                    Err(Refused)
                }
            }
        })
    }
}

/// A service that does nothing, and nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noop(pub u16);

impl<Req> Service<Req> for Noop {
    type Response = u16;
    type Error = Infallible;
    type Future = std::future::Ready<Result<u16, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Req) -> Self::Future {
        std::future::ready(Ok(self.0))
    }
}

pub(crate) fn scripted(acts: impl IntoIterator<Item = Act>) -> Vec<Scripted> {
    (1..).zip(acts).map(|(port, act)| Scripted::new(port, act)).collect()
}

pub(crate) fn fixed(services: &[Scripted], balancer: impl Balancer) -> Arc<dyn Endpointer<Scripted>> {
    let services: Vec<_> = services.iter().map(|service| (instance(service.port), service.clone())).collect();
    Arc::new(FixedEndpointer::new(services, &balancer))
}

pub(crate) fn noops(count: u16, balancer: impl Balancer) -> Arc<dyn Endpointer<Noop>> {
    let services: Vec<_> = (1..=count).map(|port| (instance(port), Noop(port))).collect();
    Arc::new(FixedEndpointer::new(services, &balancer))
}

/// An endpointer that follows `publisher`, whose services answer with their port.
pub(crate) fn following(publisher: &Publisher, balancer: impl Balancer) -> Arc<DefaultEndpointer<Scripted>> {
    let factory = factory_fn(|instance: Arc<Instance>| {
        let port = instance.id().rsplit(':').next().unwrap_or_default().parse().unwrap_or_default();
        Ok::<_, Error>(Scripted::new(port, Act::Answer))
    });
    Arc::new(DefaultEndpointer::builder(publisher.subscribe(), factory, balancer).spawn().unwrap())
}

/// Waits until the endpointer's set is as wanted.
pub(crate) async fn until<S: Send + Sync>(
    endpointer: &dyn Endpointer<S>,
    wanted: impl Fn(&sd_core::Endpoints<S>) -> bool,
) {
    let cell = endpointer.cell();
    loop {
        let seen = {
            let present = cell.load();
            if wanted(&present) {
                return;
            }
            present.version()
        };
        cell.changed(seen).await;
    }
}
