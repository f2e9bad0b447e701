//! The floor: what the centre and an HTTP client take when nothing is kept and nothing is decoded.

use std::collections::HashSet;

use futures_util::stream::{self, TryStreamExt as _};

use super::api::{Api, Events};
use crate::registry::mark::Mark;
use crate::registry::observer::Observe;
use crate::registry::target::Target;
use crate::registry::{Leave, Local, Side};

pub(super) const SIDE: Side = Side {
    service: "raw",
    names: ["floor: raw server-sent event", "floor: raw snapshot", "floor: raw requests, 64 in flight"],
    watch,
    list,
    register,
};

/// As many requests as are in flight at once.
const IN_FLIGHT: usize = 64;

struct Raw {
    events: Events,
    // The connection that they come by.
    _api: Api,
}

fn watch(target: Target, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let api = Api::connect(target.address).await?;
        let mut events = api.watch(service).await?;
        events.snapshot().await?;
        let raw: Box<dyn Observe> = Box::new(Raw { events, _api: api });
        Ok(raw)
    })
}

impl Observe for Raw {
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()> {
        Box::pin(async move {
            let mut missing: HashSet<&str> = marks.iter().map(|mark| mark.id.as_str()).collect();
            while !missing.is_empty() {
                let (name, data) = self.events.next().await?;
                if name == "put"
                    && let Some((_, id)) = data.split_once("\"id\":\"")
                {
                    missing.remove(id.split('"').next().unwrap_or_default());
                }
            }
            Ok(())
        })
    }
}

fn list(target: Target, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move {
        let api = Api::connect(target.address).await?;
        api.watch(service).await?.snapshot().await
    })
}

fn register(target: Target, service: &'static str, n: usize) -> Local<'static, Leave> {
    Box::pin(async move {
        let api = Api::connect(target.address).await?;
        all(&api, service, 0..n, 1).await?;
        let leave: Leave = Box::new(move || {
            Box::pin(async move {
                // What stands there already is written in no time the next time, so it goes.
                let entries = stream::iter((0..n).map(anyhow::Ok));
                entries.try_for_each_concurrent(IN_FLIGHT, |index| api.deregister(service, index)).await
            })
        });
        Ok(leave)
    })
}

/// Registers instances, each by itself.
pub(super) async fn all(
    api: &Api,
    service: &str,
    instances: std::ops::Range<usize>,
    weight: u32,
) -> anyhow::Result<()> {
    let instances = stream::iter(instances.map(anyhow::Ok));
    instances.try_for_each_concurrent(IN_FLIGHT, |index| api.register(service, index, weight)).await
}
