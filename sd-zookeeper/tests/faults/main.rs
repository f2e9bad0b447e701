//! What breaks in production, done to a real ZooKeeper: one per test, killed, paused, cut off and wiped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod sessions;
#[path = "../support/mod.rs"]
mod support;

use sd_testkit::ConnectOptions;
use support::{connect, environment};

sd_testkit::fault_tests!(environment);
sd_testkit::process_tests!(environment, |url| connect(url, &ConnectOptions::default()));
