//! The floor: what etcd and its client take when nothing is kept and nothing is decoded.

use std::collections::HashSet;

use anyhow::Context as _;
use etcd_client::{Client, EventType, GetOptions, PutOptions, WatchOptions, WatchStream};
use futures_util::future::try_join_all;

use crate::registry::mark::Mark;
use crate::registry::observer::Observe;
use crate::registry::target::Target;
use crate::registry::{Leave, Local, Side, TTL};

pub(super) const SIDE: Side = Side {
    service: "raw",
    names: [
        "floor: raw watch event of etcd-client",
        "floor: raw list, pages of 1,000",
        "floor: one lease, raw puts, all in flight",
    ],
    watch,
    list,
    register,
};

/// Instances per page.
const PAGE: usize = 1_000;

struct Raw {
    stream: WatchStream,
    service: &'static str,
}

/// Lists, then watches from there on.
fn watch(target: Target, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let mut client = connect(target).await?;
        let (_, revision) = read_all(&mut client, service).await?;
        let options = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
        let stream = client.watch(prefix(service), Some(options)).await?;
        let raw: Box<dyn Observe> = Box::new(Raw { stream, service });
        Ok(raw)
    })
}

impl Observe for Raw {
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()> {
        Box::pin(async move {
            let mut missing: HashSet<Vec<u8>> = marks.iter().map(|mark| mark.path(self.service).into_bytes()).collect();
            while !missing.is_empty() {
                let message = self.stream.message().await?.context("the watch has ended")?;
                for event in message.events() {
                    if let (EventType::Put, Some(kv)) = (event.event_type(), event.kv()) {
                        missing.remove(kv.key());
                    }
                }
            }
            Ok(())
        })
    }
}

/// Connects and reads all instances of a service, page by page; gives how many.
fn list(target: Target, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move {
        let mut client = connect(target).await?;
        let (count, _) = read_all(&mut client, service).await?;
        Ok(count)
    })
}

async fn connect(target: Target) -> anyhow::Result<Client> {
    Ok(Client::connect([target.address.to_string()], None).await?)
}

/// Under which all instances of a service stand.
pub(super) fn prefix(service: &str) -> String {
    format!("/services/{service}/")
}

async fn read_all(client: &mut Client, service: &str) -> anyhow::Result<(usize, i64)> {
    let prefix = prefix(service);
    let mut end = prefix.clone().into_bytes();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    let (mut from, mut revision, mut values) = (prefix.into_bytes(), 0, Vec::new());
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE as i64).with_revision(revision);
        let mut page = client.get(from, Some(options)).await?;
        revision = page.header().context("an answer without header")?.revision();
        values.extend(page.take_kvs());
        if !page.more() {
            return Ok((values.len(), revision));
        }
        from = values.last().context("an empty page that says there is more")?.key().to_vec();
        from.push(0);
    }
}

/// Connects and registers the first `n` instances of a service under one lease.
fn register(target: Target, service: &'static str, n: usize) -> Local<'static, Leave> {
    Box::pin(async move {
        let mut client = connect(target).await?;
        let lease = client.lease_grant(TTL.as_secs() as i64, None).await?.id();
        let puts = (0..n).map(|index| {
            let (mut client, mark) = (client.clone(), Mark::new(index, 1));
            async move {
                let options = PutOptions::new().with_lease(lease);
                client.put(mark.path(service), mark.value()?, Some(options)).await?;
                anyhow::Ok(())
            }
        });
        try_join_all(puts).await?;
        let leave: Leave = Box::new(move || {
            Box::pin(async move {
                client.lease_revoke(lease).await?;
                Ok(())
            })
        });
        Ok(leave)
    })
}
