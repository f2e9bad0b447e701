//! The book on a real ZooKeeper.

#![cfg(feature = "zookeeper")]

use sd_testkit::zookeeper::ZooKeeperServer;

use crate::scenarios::{self, Registry};

impl Registry for ZooKeeperServer {
    async fn started(test: &str) -> Option<Self> {
        Self::start(test).await
    }

    fn url(&self) -> String {
        format!("zookeeper://{}?session=5s", self.endpoint())
    }

    fn die(&self) {
        self.kill();
    }

    async fn come_back(&self) {
        self.restart().await;
    }
}

scenarios::on!(ZooKeeperServer);
