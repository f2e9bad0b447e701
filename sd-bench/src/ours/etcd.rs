//! Ours on etcd. Everything here runs on the runtime of a measuring thread.

use std::any::Any;
use std::collections::HashMap;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use sd_core::{
    Connection, DefaultEndpointer, Endpointer as _, Instancer as _, PickRequest, Registrar as _, Registration,
};
use sd_etcd::EtcdConfig;
use sd_lb::RoundRobin;

use super::endpoints::{Uncalled, instance, uncalled};
use crate::etcd::keys::Mark;
use crate::etcd::observer::{Connect, Local, Observe};

/// Connects and reads a service; gives how many instances the first live snapshot has.
pub type List = fn(url: String, service: &'static str) -> Local<'static, usize>;

/// Connects and registers so many instances of a service, all at once; resolves when all are accepted, with what keeps
/// them registered.
pub type Register = fn(url: String, service: &'static str, n: usize) -> Local<'static, Box<dyn Any>>;

/// Watches a service and lets endpoints take over what changes; sees a weight when a pick can know it.
pub fn watch() -> Option<Connect> {
    Some(|url, service| {
        Box::pin(async move {
            let mut subscription = connect(&url)?.subscribe(&service.parse()?);
            let known = subscription.known().await.len();
            let endpointer = DefaultEndpointer::builder(subscription, uncalled(), RoundRobin::new()).spawn()?;
            let cell = endpointer.cell();
            while cell.load().members().len() != known {
                cell.changed(cell.version()).await;
            }
            let places =
                cell.load().members().iter().map(|member| member.instance().id().to_owned()).zip(0..).collect();
            let observe: Box<dyn Observe> = Box::new(Watched { endpointer, places });
            Ok(observe)
        })
    })
}

/// From connecting to the first live snapshot.
pub fn list() -> Option<List> {
    Some(|url, service| {
        Box::pin(async move {
            let mut subscription = connect(&url)?.subscribe(&service.parse()?);
            Ok(subscription.known().await.len())
        })
    })
}

/// From connecting to the last acceptance.
pub fn register() -> Option<Register> {
    Some(|url, service, n| {
        Box::pin(async move {
            let connection = connect(&url)?;
            let registrations = (0..n).map(|index| connection.register(Registration::new(service, instance(index))));
            let registered: Box<dyn Any> = Box::new(try_join_all(registrations).await?);
            Ok(registered)
        })
    })
}

fn connect(url: &str) -> anyhow::Result<Connection> {
    let endpoint = url.strip_prefix("http://").context("the URL of an etcd without TLS")?;
    Ok(EtcdConfig::new([endpoint]).connect()?)
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
