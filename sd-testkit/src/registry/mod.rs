//! Registry centres of our own for tests, each a process: killed, paused, restarted with and without their data.
//!
//! The program is either the test binary itself, started once more (mount [`centre_process!`](crate::centre_process)
//! in it, and nothing has to be installed), or any other that understands `serve` as `sdkit` does. What a test does
//! behind a client's back goes through the centre's HTTP API, without a client.

mod environment;
mod gateway;
mod options;
mod process;
mod server;

pub use environment::RegistryEnvironment;
pub use gateway::CentreGateway;
pub use options::{CentreOptions, CentreTls};
pub use process::{is_asked, serve_if_asked};
pub use server::CentreServer;
