//! The suite that every backend passes, run against a real Consul agent per test.

mod support;

use support::environment;

sd_testkit::conformance_tests!(environment);
