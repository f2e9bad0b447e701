//! Both suites once more with one-shot watches, as servers before 3.6 need them.

mod support;

use sd_testkit::zookeeper::ZooKeeperEnvironment;
use support::connect;

async fn environment(test: &str) -> Option<ZooKeeperEnvironment> {
    Some(ZooKeeperEnvironment::start(test, connect).await?.with_options("watches=oneshot"))
}

sd_testkit::conformance_tests!(environment);
sd_testkit::fault_tests!(environment);
