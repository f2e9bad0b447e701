//! Whoever changes instances: a client of its own, on the measuring thread.

use etcd_client::{Client, Txn, TxnOp};
use futures_util::future::try_join_all;
use tokio::runtime::{Builder, Runtime};

use super::keys::Mark;
use super::server::{Server, url};
use crate::harness::clock::Stopwatch;

/// As many puts as etcd takes in one transaction.
const TRANSACTION: usize = 128;

/// A client, and the runtime that drives it.
pub struct Writer {
    runtime: Runtime,
    client: Client,
}

impl Writer {
    /// Connects.
    pub fn connect(server: &Server) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(Client::connect([url(server.port())], None))?;
        Ok(Self { runtime, client })
    }

    /// Writes the first `n` instances of a service, weight 1.
    pub fn fill(&mut self, service: &str, n: usize) -> anyhow::Result<()> {
        let marks: Vec<Mark> = (0..n).map(|index| Mark::new(index, 1)).collect();
        for marks in marks.chunks(TRANSACTION) {
            let puts = marks.iter().map(|mark| Ok(TxnOp::put(mark.key(service), mark.value()?, None)));
            let puts = puts.collect::<anyhow::Result<Vec<_>>>()?;
            self.runtime.block_on(self.client.txn(Txn::new().and_then(puts)))?;
        }
        Ok(())
    }

    /// Writes one; gives the moment at which it began.
    pub fn put(&mut self, service: &str, mark: &Mark) -> anyhow::Result<Stopwatch> {
        let (key, value) = (mark.key(service), mark.value()?);
        let watch = Stopwatch::start();
        self.runtime.block_on(self.client.put(key, value, None))?;
        Ok(watch)
    }

    /// Writes many at once, all in flight; gives the moment at which it began.
    pub fn burst(&mut self, service: &str, marks: &[Mark]) -> anyhow::Result<Stopwatch> {
        let mut puts = Vec::new();
        for mark in marks {
            let (mut client, key, value) = (self.client.clone(), mark.key(service), mark.value()?);
            puts.push(async move { client.put(key, value, None).await });
        }
        let watch = Stopwatch::start();
        self.runtime.block_on(try_join_all(puts))?;
        Ok(watch)
    }
}
