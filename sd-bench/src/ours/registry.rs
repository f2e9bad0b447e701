//! Ours on a registry, by its URL. Everything here runs on the runtime of a measuring thread.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sd_core::{
    Backend, DefaultEndpointer, Endpointer as _, Error, PickRequest, Registration, RegistrationHandle, ServiceName,
};
use sd_lb::RoundRobin;

use super::endpoints::{Uncalled, instance, uncalled};
use crate::registry::mark::Mark;
use crate::registry::observer::Observe;
use crate::registry::target::Target;
use crate::registry::{Leave, Local, Side, drivers};

/// Ours beside a floor: the same for every registry.
pub const SIDE: Side = Side { service: "ours", names: ["ours"; 3], watch, list, register };

/// Connects.
pub fn connect(target: Target) -> Result<Arc<dyn Backend>, Error> {
    drivers().connect(&target.url())
}

/// Watches a service and lets endpoints take over what changes.
pub async fn follow(backend: &dyn Backend, service: &ServiceName) -> anyhow::Result<DefaultEndpointer<Uncalled>> {
    let mut subscription = backend.subscribe(service);
    let known = subscription.known().await.len();
    let endpointer = DefaultEndpointer::builder(subscription, uncalled(), RoundRobin::new()).spawn()?;
    let cell = endpointer.cell();
    while cell.load().members().len() != known {
        cell.changed(cell.version()).await;
    }
    Ok(endpointer)
}

/// Sees a weight when a pick can know it.
fn watch(target: Target, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let endpointer = follow(&*connect(target)?, &service.parse()?).await?;
        let present = endpointer.cell().load();
        let places = present.members().iter().map(|member| member.instance().id().to_owned()).zip(0..).collect();
        drop(present);
        let observe: Box<dyn Observe> = Box::new(Watched { endpointer, places });
        Ok(observe)
    })
}

/// From connecting to the first live snapshot.
fn list(target: Target, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move {
        let mut subscription = connect(target)?.subscribe(&service.parse()?);
        Ok(subscription.known().await.len())
    })
}

/// From connecting to the last acceptance.
fn register(target: Target, service: &'static str, n: usize) -> Local<'static, Leave> {
    Box::pin(async move {
        let backend = connect(target)?;
        let registrations = (0..n).map(|index| backend.register(Registration::new(service, instance(index))));
        let handles = try_join_all(registrations).await?;
        let leave: Leave = Box::new(move || {
            Box::pin(async move {
                // Each has three seconds, and Consul takes longer for a thousand.
                let leaving = stream::iter(handles.into_iter().map(RegistrationHandle::deregister));
                leaving.buffer_unordered(64).try_for_each(|()| async { Ok(()) }).await?;
                Ok(())
            })
        });
        Ok(leave)
    })
}

struct Watched {
    endpointer: DefaultEndpointer<Uncalled>,
    /// Where each instance stands among the members: other weights move nobody.
    places: HashMap<String, usize>,
}

impl Watched {
    /// Whether a pick can know this weight.
    fn knows(&self, mark: &Mark) -> bool {
        let present = self.endpointer.cell().load();
        let member = self.places.get(&mark.id).and_then(|place| present.members().get(*place));
        member.is_some_and(|member| member.instance().id() == mark.id && member.instance().weight() == mark.weight)
    }
}

impl Observe for Watched {
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()> {
        Box::pin(async move {
            let cell = self.endpointer.cell();
            let mut missing: Vec<&Mark> = marks.iter().collect();
            loop {
                let version = cell.version();
                missing.retain(|mark| !self.knows(mark));
                if missing.is_empty() {
                    std::hint::black_box(cell.pick(PickRequest::new()).is_ok());
                    return Ok(());
                }
                cell.changed(version).await;
            }
        })
    }
}
