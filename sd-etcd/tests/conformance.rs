//! The suite that every backend passes, run against a real etcd per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::sync::Arc;

use sd_core::Backend;
use sd_etcd::EtcdConfig;
use sd_testkit::ConnectOptions;
use sd_testkit::etcd::EtcdEnvironment;

fn connect(url: &str, options: &ConnectOptions) -> Arc<dyn Backend> {
    let mut config = EtcdConfig::from_url(url.parse().unwrap()).unwrap();
    if let Some(linger) = options.linger {
        config = config.linger(linger);
    }
    if let Some(policy) = &options.staleness {
        config = config.staleness(policy.clone());
    }
    Arc::new(config.connect().unwrap())
}

async fn environment(test: &str) -> Option<EtcdEnvironment> {
    EtcdEnvironment::start(test, connect).await
}

sd_testkit::conformance_tests!(environment);
