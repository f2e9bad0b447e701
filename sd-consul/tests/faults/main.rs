//! What breaks in production, done to a real Consul: one per test, killed, paused, cut off and wiped.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod processes;
#[path = "../support/mod.rs"]
mod support;

use support::environment;

sd_testkit::fault_tests!(environment);
