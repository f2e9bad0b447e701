//! What breaks in production, done to a real etcd: one per test, killed, paused, cut off, wiped, moved and compacted.
//!
//! Credentials, TLS, endpoints and leases have test binaries of their own beside this one.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod herd;
mod history;
mod moves;
mod processes;
#[path = "../support/mod.rs"]
mod support;

use support::environment;

sd_testkit::fault_tests!(environment);
