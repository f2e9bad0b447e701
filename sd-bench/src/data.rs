//! The instances that everyone is given: the same ones for ours, the floors and the peers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What a floor knows of an instance: the least that one can know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id, `host:port`.
    pub id: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its weight.
    pub weight: u32,
}

impl Member {
    /// The `index`th.
    #[must_use]
    pub fn new(index: usize) -> Self {
        let address = address(index);
        Self { id: address.to_string().into(), address, weight: 1 }
    }
}

/// The address of the `index`th instance: distinct ones for more than 16 million.
#[must_use]
pub fn address(index: usize) -> SocketAddr {
    let [_, a, b, c] = (index as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), 8000))
}

/// The first `n` members.
#[must_use]
pub fn members(n: usize) -> Vec<Arc<Member>> {
    (0..n).map(|index| Arc::new(Member::new(index))).collect()
}

/// Walks over `0..n` in a fixed order that jumps, so that what is touched is not what was touched just before.
#[derive(Debug, Clone)]
pub struct Jumps {
    at: usize,
    n: usize,
}

impl Jumps {
    /// Over `0..n`.
    #[must_use]
    pub fn over(n: usize) -> Self {
        Self { at: 0, n }
    }

    /// The next index.
    pub fn next(&mut self) -> usize {
        // 7919 is prime and divides none of our sizes, so every index comes up.
        self.at = (self.at + 7919) % self.n;
        self.at
    }
}
