//! What breaks in production, done to a real etcd: one per test, killed, paused, cut off, wiped, moved and compacted.
//!
//! Credentials, TLS, endpoints and leases have test binaries of their own beside this one.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod history;
mod moves;
#[path = "../support/mod.rs"]
mod support;

use sd_testkit::ConnectOptions;
use support::{connect, environment};

sd_testkit::fault_tests!(environment);
sd_testkit::process_tests!(environment, |url| connect(url, &ConnectOptions::default()));
