//! Peers: what others take for the same work, driven through their public interfaces.

pub mod grpc;
pub mod heap;
#[cfg(feature = "pingora")]
pub mod pingora;
pub mod tower_balance;
pub mod tower_call;
pub mod volo;
