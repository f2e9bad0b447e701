//! What happens in a server's life, as its log and its program's output tell it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sd_core::Error;

/// A step in a server's life. Its `Display` is a line for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LifecycleEvent {
    /// It is bound, and serves.
    Listening(SocketAddr),
    /// The registry has accepted it, for the first time or again.
    Registered {
        /// The service.
        service: Arc<str>,
        /// The id.
        id: Arc<str>,
    },
    /// It is not, or no longer, known to be registered, and that is being tried again.
    Unregistered(Error),
    /// Another process has registered under the same id; this one serves on, and is no longer found.
    Superseded,
    /// It has been told to stop: clients are told, and have so long to go elsewhere.
    Draining(Duration),
    /// It is no longer registered.
    Deregistered,
    /// The registry could not be told; the registration ends with its TTL.
    NotDeregistered(Error),
    /// Running requests have so long to finish.
    Finishing(Duration),
    /// It has ended, with nothing left running.
    Stopped,
}

impl LifecycleEvent {
    pub(super) fn log(&self) {
        match self {
            Self::Unregistered(error) | Self::NotDeregistered(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(cause, "{self}");
            }
            Self::Superseded => tracing::warn!("{self}"),
            _ => tracing::info!("{self}"),
        }
    }
}

impl fmt::Display for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "listening on {address}"),
            Self::Registered { service, id } => write!(f, "registered as {service}/{id}"),
            Self::Unregistered(error) => write!(f, "not registered, trying on: {error}"),
            Self::Superseded => write!(f, "superseded: another process has registered under the same id"),
            Self::Draining(grace) => write!(f, "draining for {grace:?}"),
            Self::Deregistered => write!(f, "deregistered"),
            Self::NotDeregistered(error) => write!(f, "not deregistered, gone after its TTL: {error}"),
            Self::Finishing(limit) => write!(f, "finishing what runs, for {limit:?} at most"),
            Self::Stopped => write!(f, "stopped"),
        }
    }
}
