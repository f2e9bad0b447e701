//! Whoever changes instances in ZooKeeper. Its nodes are persistent: a watcher sees no difference.

use std::net::SocketAddr;

use zookeeper_client::{Acls, Client, CreateMode};

use crate::registry::Local;
use crate::registry::mark::Mark;
use crate::registry::writer::Write;

/// Nodes per request: far below what ZooKeeper takes, which is 1 MiB.
const TRANSACTION: usize = 500;

struct Nodes(Client);

/// Connects.
pub(super) fn connect(server: SocketAddr) -> Local<'static, Box<dyn Write>> {
    Box::pin(async move {
        let nodes: Box<dyn Write> = Box::new(Nodes(super::client(server).await?));
        Ok(nodes)
    })
}

impl Write for Nodes {
    fn fill(&self, service: &'static str, n: usize) -> Local<'_, ()> {
        Box::pin(async move {
            let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
            self.0.mkdir(&super::floor::folder(service), &options).await?;
            for marks in Mark::first(n).chunks(TRANSACTION) {
                let mut creations = self.0.new_multi_writer();
                for mark in marks {
                    creations.add_create(&mark.path(service), &mark.value()?, &options)?;
                }
                creations.commit().await?;
            }
            Ok(())
        })
    }

    fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Local<'static, ()>> {
        let (client, path, value) = (self.0.clone(), mark.path(service), mark.value()?);
        Ok(Box::pin(async move {
            client.set_data(&path, &value, None).await?;
            Ok(())
        }))
    }

    fn at_once(&self) -> usize {
        usize::MAX
    }
}
