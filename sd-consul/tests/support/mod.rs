//! What the suites' test binaries share: an environment per test.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![allow(dead_code, reason = "not every test binary needs all of it")]

pub(crate) mod fake;

use std::sync::Arc;

use sd_consul::ConsulConfig;
use sd_core::Backend;
use sd_testkit::consul::{ConsulEnvironment, ConsulOptions};
use sd_testkit::{ConnectOptions, leaving_nothing, run};

pub(crate) fn connect(url: &str, options: &ConnectOptions) -> Arc<dyn Backend> {
    let mut config = ConsulConfig::from_url(url.parse().unwrap()).unwrap();
    if let Some(linger) = options.linger {
        config = config.linger(linger);
    }
    if let Some(policy) = &options.staleness {
        config = config.staleness(policy.clone());
    }
    Arc::new(config.connect().unwrap())
}

/// An agent that keeps its data over a restart.
pub(crate) async fn environment(test: &str) -> Option<ConsulEnvironment> {
    ConsulEnvironment::start(test, connect).await
}

/// An agent that is up at once, for tests that don't restart it.
pub(crate) async fn quick_environment(test: &str) -> Option<ConsulEnvironment> {
    ConsulEnvironment::start_with(test, ConsulOptions::new().in_memory(), connect).await
}

/// Runs a test with an agent of its own, which keeps its data over a restart, and sees that nothing is left over.
pub(crate) fn with_consul(test: &str, body: impl AsyncFnOnce(&ConsulEnvironment)) {
    with_options(test, ConsulOptions::new(), body);
}

/// The same with an agent that is up at once, for tests that don't restart it.
pub(crate) fn with_quick_consul(test: &str, body: impl AsyncFnOnce(&ConsulEnvironment)) {
    with_options(test, ConsulOptions::new().in_memory(), body);
}

pub(crate) fn with_options(test: &str, options: ConsulOptions, body: impl AsyncFnOnce(&ConsulEnvironment)) {
    run(async {
        if let Some(env) = ConsulEnvironment::start_with(test, options, connect).await {
            leaving_nothing(&env, body(&env)).await;
        }
    });
}
