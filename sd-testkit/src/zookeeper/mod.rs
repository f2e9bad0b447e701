//! Real ZooKeeper servers for tests: started on free ports, killed, paused, restarted with and without their data.
//!
//! The folder of jars is named by `SD_TEST_ZOOKEEPER`; without it tests skip, as [`crate::skip`] says. `SD_TEST_JAVA`
//! names the `java` to run them with, where it is not the one on `PATH`. Nothing here needs a ZooKeeper client: what a
//! test does behind a client's back goes through an [`Operator`], which speaks as much of the protocol as that takes.

mod ensemble;
mod environment;
mod operator;
mod options;
mod server;
mod wire;
mod words;

pub use ensemble::ZooKeeperEnsemble;
pub use environment::ZooKeeperEnvironment;
pub use operator::{Node, Operator, Refusal};
pub use options::ZooKeeperOptions;
pub use server::ZooKeeperServer;

/// Names the folder of the server's jars.
pub const VARIABLE: &str = "SD_TEST_ZOOKEEPER";

/// Names the `java` that runs them, where it is not the one on `PATH`.
pub const JAVA_VARIABLE: &str = "SD_TEST_JAVA";
