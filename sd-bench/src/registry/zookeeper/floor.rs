//! The floor: what ZooKeeper and its client take when nothing is kept and nothing is decoded.

use std::collections::HashSet;

use anyhow::{Context as _, ensure};
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use zookeeper_client::{Acls, AddWatchMode, Client, CreateMode, EventType, MultiReadResult, PersistentWatcher};

use crate::registry::mark::Mark;
use crate::registry::observer::Observe;
use crate::registry::target::Target;
use crate::registry::{Leave, Local, Side};

pub(super) const SIDE: Side = Side {
    service: "raw",
    names: [
        "floor: raw watch event of zookeeper-client, and get_data",
        "floor: raw children, data in reads of 500",
        "floor: one session, raw creates, all in flight",
    ],
    watch,
    list,
    register,
};

/// Nodes per read.
const PAGE: usize = 500;

/// Under which all instances of a service stand.
pub(super) fn folder(service: &str) -> String {
    format!("/services/{service}")
}

struct Raw {
    client: Client,
    watcher: PersistentWatcher,
    service: &'static str,
}

/// Watches, then lists.
fn watch(target: Target, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let client = super::client(target.address).await?;
        let watcher = client.watch(&folder(service), AddWatchMode::PersistentRecursive).await?;
        read_all(&client, service).await?;
        let raw: Box<dyn Observe> = Box::new(Raw { client, watcher, service });
        Ok(raw)
    })
}

impl Observe for Raw {
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()> {
        Box::pin(async move {
            let mut missing: HashSet<String> = marks.iter().map(|mark| mark.path(self.service)).collect();
            while !missing.is_empty() {
                // An event does not tell the new data. What has come together is read together.
                let mut changed = vec![self.watcher.changed().await];
                while let Some(event) = self.watcher.changed().now_or_never() {
                    changed.push(event);
                }
                let reads = changed.iter().map(|event| {
                    ensure!(event.event_type != EventType::Session, "the session has broken: {event:?}");
                    Ok(self.client.get_data(&event.path))
                });
                try_join_all(reads.collect::<anyhow::Result<Vec<_>>>()?).await?;
                for event in &changed {
                    missing.remove(&event.path);
                }
            }
            Ok(())
        })
    }
}

/// Connects and reads all instances of a service; gives how many.
fn list(target: Target, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move { read_all(&super::client(target.address).await?, service).await })
}

async fn read_all(client: &Client, service: &str) -> anyhow::Result<usize> {
    let folder = folder(service);
    let children = client.list_children(&folder).await?;
    let mut values = Vec::new();
    for page in children.chunks(PAGE) {
        let mut reads = client.new_multi_reader();
        for child in page {
            reads.add_get_data(&format!("{folder}/{child}"))?;
        }
        for read in reads.commit().await? {
            if let MultiReadResult::Data { data, .. } = read {
                values.push(data);
            }
        }
    }
    Ok(values.len())
}

/// Connects and registers the first `n` instances of a service in one session.
fn register(target: Target, service: &'static str, n: usize) -> Local<'static, Leave> {
    Box::pin(async move {
        let client = super::client(target.address).await?;
        client.mkdir(&folder(service), &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        let marks = Mark::first(n);
        let (client_now, options) = (&client, &options);
        try_join_all(marks.iter().map(|mark| async move {
            client_now.create(&mark.path(service), &mark.value()?, options).await?;
            anyhow::Ok(())
        }))
        .await?;
        let leave: Leave = Box::new(move || {
            Box::pin(async move {
                let leaving = marks.iter().map(|mark| client.delete(&mark.path(service), None));
                try_join_all(leaving).await.context("an instance is gone already")?;
                Ok(())
            })
        });
        Ok(leave)
    })
}
