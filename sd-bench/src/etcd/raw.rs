//! The floors: what etcd and its client take when nothing is kept and nothing is decoded.

use std::any::Any;
use std::collections::HashSet;

use anyhow::Context as _;
use etcd_client::{Client, EventType, GetOptions, PutOptions, WatchOptions, WatchStream};
use futures_util::future::try_join_all;

use super::keys::{Mark, prefix};
use super::observer::{Local, Observe};

/// What the output calls [`watch`].
pub const WATCH: &str = "floor: raw watch event of etcd-client";

/// What the output calls [`list`].
pub const LIST: &str = "floor: raw list, pages of 1,000";

/// What the output calls [`register`].
pub const REGISTER: &str = "floor: one lease, raw puts, all in flight";

/// Instances per page.
const PAGE: usize = 1_000;

struct Raw {
    stream: WatchStream,
    service: &'static str,
}

/// Lists, then watches from there on.
pub fn watch(url: String, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let mut client = Client::connect([url], None).await?;
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
            let mut missing: HashSet<Vec<u8>> = marks.iter().map(|mark| mark.key(self.service).into_bytes()).collect();
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
pub fn list(url: String, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move {
        let mut client = Client::connect([url], None).await?;
        let (count, _) = read_all(&mut client, service).await?;
        Ok(count)
    })
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
pub fn register(url: String, service: &'static str, n: usize) -> Local<'static, Box<dyn Any>> {
    Box::pin(async move {
        let mut client = Client::connect([url], None).await?;
        let lease = client.lease_grant(10, None).await?.id();
        let puts = (0..n).map(|index| {
            let (mut client, mark) = (client.clone(), Mark::new(index, 1));
            async move {
                let options = PutOptions::new().with_lease(lease);
                client.put(mark.key(service), mark.value()?, Some(options)).await?;
                anyhow::Ok(())
            }
        });
        try_join_all(puts).await?;
        let registered: Box<dyn Any> = Box::new(client);
        Ok(registered)
    })
}
