//! Real Consul agents for tests: started on free ports, killed, paused, restarted with and without their data.
//!
//! The binary is named by `SD_TEST_CONSUL`; without it tests skip, as [`crate::skip`] says. Nothing here needs a Consul
//! client: what a test does behind a client's back goes over HTTP by hand.

mod environment;
mod gateway;
mod options;
mod server;

pub use environment::ConsulEnvironment;
pub use gateway::ConsulGateway;
pub use options::ConsulOptions;
pub use server::ConsulServer;

/// Names the binary of the agent.
pub const VARIABLE: &str = "SD_TEST_CONSUL";
