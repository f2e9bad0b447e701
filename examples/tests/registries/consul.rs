//! The book on a real Consul.

#![cfg(feature = "consul")]

use sd_testkit::consul::ConsulServer;

use crate::scenarios::{self, Registry};

impl Registry for ConsulServer {
    async fn started(test: &str) -> Option<Self> {
        Self::start(test).await
    }

    fn url(&self) -> String {
        format!("consul://{}?ttl=2s", self.endpoint())
    }

    fn die(&self) {
        self.kill();
    }

    async fn come_back(&self) {
        self.restart().await;
    }
}

scenarios::on!(ConsulServer);
