//! The suite's environment for the reference backend, and an example of one.

use std::sync::Arc;

use async_trait::async_trait;
use sd_core::{Backend, Connection, MemoryRegistry};

use crate::environment::{Capabilities, ConnectOptions, Environment, Fault};

/// A memory registry for one test.
#[derive(Debug, Default)]
pub struct MemoryEnvironment {
    registry: MemoryRegistry,
}

impl MemoryEnvironment {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Environment for MemoryEnvironment {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(None)
    }

    fn connect(&self, options: &ConnectOptions) -> Arc<dyn Backend> {
        let mut builder = Connection::builder(Arc::new(self.registry.clone()));
        if let Some(linger) = options.linger {
            builder = builder.linger(linger);
        }
        if let Some(policy) = &options.staleness {
            builder = builder.staleness(policy.clone());
        }
        Arc::new(builder.build().expect("a test runs inside a runtime"))
    }

    async fn inject(&self, fault: Fault<'_>) -> bool {
        match fault {
            Fault::Down => self.registry.set_down(true),
            Fault::Up => self.registry.set_down(false),
            Fault::UpWithoutData => {
                self.registry.wipe();
                self.registry.set_down(false);
            }
            Fault::Cut => {
                self.registry.set_down(true);
                // Long enough for every watch to have seen it.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                self.registry.set_down(false);
            }
            Fault::Expire { service, id } => return self.registry.expire(service, id),
            _ => return false,
        }
        true
    }
}
