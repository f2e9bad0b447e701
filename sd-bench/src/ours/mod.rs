//! Ours. Each function is one arm of one case; `None` means that the library does not have it yet, and the case then
//! prints what the references cost, as comments.

pub mod call;
pub mod change;
pub mod choose;
pub mod endpoints;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod heap;
pub mod pick;
pub mod tail;

/// Which policy chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// Any, by weight.
    Random,
}

impl Policy {
    /// Both, with the name of their case.
    pub const ALL: [(Self, &'static str); 2] = [(Self::RoundRobin, "round_robin"), (Self::Random, "random")];
}
