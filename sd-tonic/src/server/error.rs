//! Why a server's life went wrong.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sd_core::Error;

/// Why a server's life went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can't be bound.
    #[non_exhaustive]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Bad input, or the registry has refused.
    Registry(Error),
    /// The server has failed. It is deregistered, if the registry could be told.
    Serve(tonic::transport::Error),
    /// Requests or streams were still running when their time was over, and were cut.
    Unfinished(Duration),
}

impl From<Error> for ServeError {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, .. } => write!(f, "listen on {address}"),
            Self::Registry(error) => error.fmt(f),
            Self::Serve(_) => f.write_str("the server has failed"),
            Self::Unfinished(limit) => write!(f, "requests were still running after {limit:?}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::Registry(error) => error.source(),
            Self::Serve(error) => Some(error),
            Self::Unfinished(_) => None,
        }
    }
}
