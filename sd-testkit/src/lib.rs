//! The conformance and fault suite for service-discovery backends: what this project runs against its own, and what
//! anyone who writes one can run against theirs.
//!
//! Implement [`Environment`] for your registry, and mount the suite in an integration test:
//!
//! ```
//! # fn main() {}
//! # mod tests {
//! use sd_testkit::MemoryEnvironment;
//!
//! /// A fresh registry for the test of this name; `None` when it has to be skipped, which [`sd_testkit::skip`] tells.
//! async fn environment(_test: &str) -> Option<MemoryEnvironment> {
//!     Some(MemoryEnvironment::new())
//! }
//!
//! sd_testkit::conformance_tests!(environment);
//! sd_testkit::fault_tests!(environment);
//! # }
//! ```
//!
//! Each function of [`conformance`] is one sentence of the contracts of `sd_core`'s traits; each of [`faults`] breaks
//! something, and then asks that every registration is back, that every view equals the truth, and that nothing is
//! left over when all is dropped. [`etcd`], [`consul`] and [`zookeeper`] start, kill and pause real servers, [`registry`]
//! centres of our own; [`proxy`] stands between a client and a server, [`child`] runs a registrant as a process,
//! [`authority`] signs certificates.
//!
//! Nothing here sleeps and hopes: what must happen is waited for, up to [`PATIENCE`]; what must not happen is watched
//! for as long as it could.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

pub mod authority;
pub mod child;
pub mod conformance;
pub mod consul;
mod container;
mod environment;
pub mod etcd;
pub mod faults;
mod http;
mod memory;
mod mount;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod samples;
pub mod skip;
pub mod tasks;
pub mod waiting;
pub mod zookeeper;

pub use environment::{Capabilities, ConnectOptions, Environment, Fault};
pub use memory::MemoryEnvironment;
pub use mount::{leaving_nothing, run};
pub use waiting::PATIENCE;
