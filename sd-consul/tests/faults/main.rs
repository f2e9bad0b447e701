//! What breaks in production, done to a real Consul: one per test, killed, paused, cut off and wiped.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../support/mod.rs"]
mod support;

use sd_testkit::ConnectOptions;
use support::{connect, environment, quick_environment};

sd_testkit::fault_tests!(environment);
sd_testkit::process_tests!(quick_environment, |url| connect(url, &ConnectOptions::default()));
