//! The suite that every backend passes, run against a real etcd per test.

mod support;

use support::environment;

sd_testkit::conformance_tests!(environment);
