//! The book on a real etcd.

#![cfg(feature = "etcd")]

use sd_testkit::etcd::EtcdServer;

use crate::scenarios::{self, Registry};

impl Registry for EtcdServer {
    async fn started(test: &str) -> Option<Self> {
        Self::start(test).await
    }

    fn url(&self) -> String {
        format!("etcd://{}?ttl=2s", self.endpoint())
    }

    fn die(&self) {
        self.kill();
    }

    async fn come_back(&self) {
        self.restart().await;
    }
}

scenarios::on!(EtcdServer);
