//! The registry centre: a service registry without a server to install.
#![doc = include_str!("api.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "server")]
mod engine;
#[cfg(feature = "server")]
mod front;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod push;
#[cfg(feature = "push")]
mod push_client;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "server")]
mod wire;

#[cfg(feature = "client")]
pub use client::{RegistryConfig, RegistryDriver};
#[cfg(feature = "server")]
pub use engine::limits::Limits;
#[cfg(feature = "server")]
pub use engine::preservation::SelfPreservation;
#[cfg(feature = "server")]
pub use push::PushRules;
#[cfg(feature = "push")]
pub use push_client::PushConfig;
#[cfg(feature = "server")]
pub use server::{Centre, CentreBuilder, Registry, TlsFiles};
