//! Why a server's life went wrong.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sd_core::{BoxError, Error};
use thiserror::Error as ThisError;

/// Why a server's life went wrong.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The system lets nobody listen for signals.
    #[error("signals can't be listened for")]
    Signals(#[source] io::Error),
    /// The address can't be bound.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Bad input, or the registry has refused: nothing is tried again.
    #[error(transparent)]
    Registry(#[from] Error),
    /// The registry has not accepted within the time that was to be waited.
    #[error("not registered within {within:?}")]
    NotAccepted {
        /// The time.
        within: Duration,
        /// What was in the way, if anything was told.
        source: Option<Error>,
    },
    /// The server has failed. It is deregistered, if the registry could be told.
    #[error("the server has failed")]
    Serve(#[source] BoxError),
    /// Requests were still running when their time was over.
    #[error("requests were still running after {0:?}")]
    Unfinished(Duration),
}
