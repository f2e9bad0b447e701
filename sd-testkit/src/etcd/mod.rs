//! Real etcd servers for tests: started on free ports, killed, paused, restarted with and without their data.
//!
//! The binary is named by `SD_TEST_ETCD`; without it tests skip, as [`crate::skip`] says. Nothing here needs an etcd
//! client: what a test does behind a client's back goes through etcd's HTTP gateway.

mod cluster;
mod environment;
mod gateway;
mod server;

pub use cluster::EtcdCluster;
pub use environment::EtcdEnvironment;
pub use gateway::{Gateway, GatewayError};
pub use server::{EtcdOptions, EtcdServer};

/// Names the binary of the server.
pub const VARIABLE: &str = "SD_TEST_ETCD";
