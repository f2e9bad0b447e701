//! A server to measure against, and a runtime for what is done to it.

use tokio::runtime::{Builder, Runtime};

use super::Registry;
use super::server::Server;
use super::target::Target;
use super::writer::Writer;

/// A running registry.
pub struct Site {
    registry: &'static dyn Registry,
    server: Box<dyn Server>,
    runtime: Runtime,
}

impl Site {
    /// Starts a server with nothing in it.
    pub fn start(registry: &'static dyn Registry) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let server = runtime.block_on(registry.start())?;
        Ok(Self { registry, server, runtime })
    }

    /// The kind of registry.
    #[must_use]
    pub fn registry(&self) -> &'static dyn Registry {
        self.registry
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &dyn Server {
        &*self.server
    }

    /// Where clients connect to.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::new(self.registry, self.server.address())
    }

    /// Connects whoever changes instances.
    pub fn writer(&self) -> anyhow::Result<Writer> {
        Writer::connect(self.target())
    }

    /// Runs a future on this thread.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}
