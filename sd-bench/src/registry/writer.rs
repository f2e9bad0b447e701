//! Whoever changes instances: a client of its own, on the measuring thread.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::runtime::{Builder, Runtime};

use super::Local;
use super::mark::Mark;
use super::target::Target;
use crate::harness::clock::Stopwatch;

/// Writes instances with a registry's own client, as our library would write them.
pub trait Write {
    /// Writes the first `n` instances of a service, weight 1, in as few requests as the registry takes.
    fn fill(&self, service: &'static str, n: usize) -> Local<'_, ()>;

    /// A request that changes one instance, ready to be sent: it goes out when it is first polled.
    fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Local<'static, ()>>;

    /// How many requests may be in flight at once.
    fn at_once(&self) -> usize;
}

/// A client, and the runtime that drives it.
pub struct Writer {
    // Before the runtime, so that a client that says goodbye can do so.
    client: Box<dyn Write>,
    runtime: Runtime,
}

impl Writer {
    /// Connects.
    pub fn connect(target: Target) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(target.registry.writer(target.address))?;
        Ok(Self { client, runtime })
    }

    /// Writes the first `n` instances of a service, weight 1.
    pub fn fill(&self, service: &'static str, n: usize) -> anyhow::Result<()> {
        self.runtime.block_on(self.client.fill(service, n))
    }

    /// Writes one; gives the moment at which it began.
    pub fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Stopwatch> {
        let put = self.client.put(service, mark)?;
        let watch = Stopwatch::start();
        self.runtime.block_on(put)?;
        Ok(watch)
    }

    /// Writes many at once, as many in flight as the registry takes; gives the moment at which it began.
    pub fn burst(&self, service: &'static str, marks: &[Mark]) -> anyhow::Result<Stopwatch> {
        let puts = marks.iter().map(|mark| self.client.put(service, mark)).collect::<anyhow::Result<Vec<_>>>()?;
        let puts = stream::iter(puts).buffer_unordered(self.client.at_once());
        let watch = Stopwatch::start();
        self.runtime.block_on(puts.try_collect::<Vec<()>>())?;
        Ok(watch)
    }
}
