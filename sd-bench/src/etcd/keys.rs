//! What stands in etcd: as our library writes it, whoever reads it.

use sd_core::{Codec, Instance, UnknownFields};

use crate::data::address;

/// The service that the floors watch; ours has one of its own, so that neither is told of the other's changes.
pub const RAW: &str = "raw";

/// The service that ours watches.
pub const OURS: &str = "ours";

/// Under which all instances of a service stand.
#[must_use]
pub fn prefix(service: &str) -> String {
    format!("/services/{service}/")
}

/// One instance with one weight: what is written, and what is waited for.
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

    /// The key of this instance.
    #[must_use]
    pub fn key(&self, service: &str) -> String {
        format!("{}{}", prefix(service), self.id)
    }

    /// The value of this instance, with this weight.
    pub fn value(&self) -> anyhow::Result<Vec<u8>> {
        let instance = Instance::new(address(self.index)).with_weight(self.weight);
        Ok(Codec::Json.encode(&instance, None, &UnknownFields::default())?)
    }
}
