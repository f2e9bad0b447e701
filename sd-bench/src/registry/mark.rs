//! One instance with one weight: what is written, and what is waited for.

#[cfg(any(feature = "etcd", feature = "zookeeper"))]
use sd_core::{Codec, Instance, UnknownFields};

use crate::data::address;

/// One instance with one weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which instance, as `data` numbers them.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// Its weight.
    pub weight: u32,
}

impl Mark {
    /// The `index`th instance with this weight.
    #[must_use]
    pub fn new(index: usize, weight: u32) -> Self {
        Self { index, id: address(index).to_string(), weight }
    }

    /// The first `n` instances, weight 1.
    #[cfg(any(feature = "etcd", feature = "consul", feature = "zookeeper"))]
    #[must_use]
    pub fn first(n: usize) -> Vec<Self> {
        (0..n).map(|index| Self::new(index, 1)).collect()
    }

    /// The path of this instance, in a registry that has keys or nodes.
    #[cfg(any(feature = "etcd", feature = "zookeeper"))]
    #[must_use]
    pub fn path(&self, service: &str) -> String {
        format!("/services/{service}/{}", self.id)
    }

    /// The value of this instance, with this weight, in a registry that has keys or nodes.
    #[cfg(any(feature = "etcd", feature = "zookeeper"))]
    pub fn value(&self) -> anyhow::Result<Vec<u8>> {
        let instance = Instance::new(address(self.index)).with_weight(self.weight);
        Ok(Codec::Json.encode(&instance, None, &UnknownFields::default())?)
    }
}
