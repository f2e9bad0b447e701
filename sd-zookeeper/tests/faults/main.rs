//! What breaks in production, done to a real ZooKeeper: one per test, killed, paused, cut off and wiped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod processes;
mod sessions;
#[path = "../support/mod.rs"]
mod support;

use support::environment;

sd_testkit::fault_tests!(environment);
