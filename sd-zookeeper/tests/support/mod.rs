//! What the suites' test binaries share: an environment per test.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::sync::Arc;
use std::time::Duration;

use sd_core::Backend;
use sd_testkit::zookeeper::ZooKeeperEnvironment;
use sd_testkit::{Capabilities, ConnectOptions, Environment, leaving_nothing, run};
use sd_zookeeper::ZooKeeperConfig;

pub(crate) fn connect(url: &str, options: &ConnectOptions) -> Arc<dyn Backend> {
    let mut config = ZooKeeperConfig::from_url(url.parse().unwrap()).unwrap();
    if let Some(linger) = options.linger {
        config = config.linger(linger);
    }
    if let Some(policy) = &options.staleness {
        config = config.staleness(policy.clone());
    }
    Arc::new(config.connect().unwrap())
}

pub(crate) async fn environment(test: &str) -> Option<ZooKeeperEnvironment> {
    ZooKeeperEnvironment::start(test, connect).await
}

/// Runs a test with a ZooKeeper of its own, and sees that nothing is left over.
pub(crate) fn with_zookeeper(test: &str, body: impl AsyncFnOnce(&ZooKeeperEnvironment)) {
    run(async {
        if let Some(env) = environment(test).await {
            leaving_nothing(&env, body(&env)).await;
        }
    });
}

/// An environment that is a URL alone; the test itself breaks what is behind it.
pub(crate) struct Url(pub(crate) String);

impl Environment for Url {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Some(Duration::from_secs(4)))
    }

    fn connect(&self, options: &ConnectOptions) -> Arc<dyn Backend> {
        connect(&self.0, options)
    }
}
