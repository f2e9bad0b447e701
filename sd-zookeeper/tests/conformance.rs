//! The suite that every backend passes, run against a real ZooKeeper per test.

mod support;

use support::environment;

sd_testkit::conformance_tests!(environment);
