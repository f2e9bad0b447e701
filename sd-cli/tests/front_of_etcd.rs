//! The suites over `sd://`, against `sdkit serve --store etcd://…` before a real etcd.

#![cfg(feature = "etcd")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::sync::Arc;

use sd_core::Backend;
use sd_registry::RegistryConfig;
use sd_testkit::ConnectOptions;
use sd_testkit::etcd::EtcdServer;
use sd_testkit::registry::{CentreOptions, CentreServer, RegistryEnvironment};
use sd_testkit::samples::random_word;

/// A front of an etcd of its own, which lives on when the front ends.
async fn front(test: &str) -> Option<RegistryEnvironment> {
    let behind = Arc::new(EtcdServer::start(test).await?);
    let url = format!("etcd://{}/test-{}?ttl=2s", behind.endpoint(), random_word());
    let sdkit = Path::new(env!("CARGO_BIN_EXE_sdkit"));
    let server = CentreServer::start_binary(sdkit, CentreOptions::new().store(url)).await;
    let wipe = move || {
        let behind = Arc::clone(&behind);
        async move { behind.restart_empty().await }
    };
    Some(RegistryEnvironment::around(server, connect).wiped_by(wipe))
}

fn connect(url: &str, options: &ConnectOptions) -> Arc<dyn Backend> {
    let mut config = RegistryConfig::from_url(url.parse().unwrap()).unwrap();
    if let Some(linger) = options.linger {
        config = config.linger(linger);
    }
    if let Some(policy) = &options.staleness {
        config = config.staleness(policy.clone());
    }
    Arc::new(config.connect().unwrap())
}

sd_testkit::conformance_tests!(front);
sd_testkit::fault_tests!(front);
