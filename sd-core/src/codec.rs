//! How an instance is written in a key-value registry: as JSON of ours, or as the address alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::Address;
use crate::defaults::{MAX_VALUE_BYTES, WEIGHT};
use crate::error::{Error, ErrorKind};
use crate::instance::{Health, Instance};
use crate::randomness::Randomness;

/// The format's version; readers take any, since it only ever grows.
const VERSION: u32 = 1;

/// Who wrote an entry: random per registration, so that two processes with one id can be told apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Owner(Arc<str>);

impl Owner {
    /// A new one.
    pub fn random(randomness: &dyn Randomness) -> Self {
        Self(format!("{:016x}", randomness.next_u64()).into())
    }

    /// As it was read.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How values are written. Reading tells the two apart by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Codec {
    /// A JSON object: everything an [`Instance`] can say. Unknown fields are kept when an entry is written again.
    #[default]
    Json,
    /// The address alone, `host:port` or a URL, as go-kit writes it. Carries no health, weight, zone, tag or metadata.
    Plain,
}

/// Fields of an entry that this version of the format does not know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnknownFields(Map<String, Value>);

/// What stands under one key: an instance, and what this version of the format does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The instance. Of a plain value, the id is the address.
    pub instance: Instance,
    /// Who wrote it; `None` for a plain value or another program's.
    pub owner: Option<Owner>,
    /// Fields that this version does not know, to be written back.
    pub unknown: UnknownFields,
    /// How it was written.
    pub codec: Codec,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    id: String,
    address: String,
    #[serde(default = "default_weight", skip_serializing_if = "is_default_weight")]
    weight: u32,
    #[serde(default, skip_serializing_if = "is_up")]
    health: WireHealth,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ports: BTreeMap<String, u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Default)]
#[serde(rename_all = "lowercase")]
enum WireHealth {
    #[default]
    Up,
    Draining,
    Down,
    // A word of a later version: not known to be up, so not picked.
    #[serde(other, skip_serializing)]
    Unknown,
}

fn default_weight() -> u32 {
    WEIGHT
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_weight(weight: &u32) -> bool {
    *weight == WEIGHT
}

fn is_up(health: &WireHealth) -> bool {
    *health == WireHealth::Up
}

impl Codec {
    /// The word that stands in a URL: `json` or `plain`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Plain => "plain",
        }
    }

    /// Whether health, weight and the like survive being written so.
    #[must_use]
    pub fn carries_details(self) -> bool {
        self == Self::Json
    }

    /// Writes an instance.
    ///
    /// # Errors
    /// `Config` for a value above 1,000,000 bytes.
    pub fn encode(self, instance: &Instance, owner: Option<&Owner>, unknown: &UnknownFields) -> Result<Vec<u8>, Error> {
        let value = match self {
            Self::Plain => instance.address().to_string().into_bytes(),
            Self::Json => serde_json::to_vec(&to_wire(instance, owner, unknown))
                .map_err(|error| Error::config("the instance can't be written as JSON").with_source(error))?,
        };
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::config(format!(
                "instance {:?} takes {} bytes: allowed are {MAX_VALUE_BYTES}",
                instance.id(),
                value.len()
            )));
        }
        Ok(value)
    }

    /// Reads a value, whichever way it was written.
    ///
    /// # Errors
    /// `Protocol`, saying what is wrong with it.
    pub fn decode(value: &[u8]) -> Result<Entry, Error> {
        let bad = |why: String| Error::new(ErrorKind::Protocol, why);
        if value.len() > MAX_VALUE_BYTES {
            return Err(bad(format!("a value of {} bytes: allowed are {MAX_VALUE_BYTES}", value.len())));
        }
        let text = std::str::from_utf8(value).map_err(|_| bad("a value that is not UTF-8".to_owned()))?;
        if text.trim_start().starts_with('{') {
            let wire: Wire = serde_json::from_str(text)
                .map_err(|error| bad("a JSON value that is not an instance".to_owned()).with_source(error))?;
            return from_wire(wire);
        }
        let address: Address = text
            .trim()
            .parse()
            .map_err(|error| bad("a value that is neither JSON nor an address".to_owned()).with_source(error))?;
        let instance = Instance::new(address);
        instance.validate().map_err(|error| bad("an address that can't be called".to_owned()).with_source(error))?;
        Ok(Entry { instance, owner: None, unknown: UnknownFields::default(), codec: Self::Plain })
    }
}

fn to_wire(instance: &Instance, owner: Option<&Owner>, unknown: &UnknownFields) -> Wire {
    Wire {
        v: VERSION,
        id: instance.id().to_owned(),
        address: instance.address().to_string(),
        weight: instance.weight(),
        health: match instance.health() {
            Health::Up => WireHealth::Up,
            Health::Draining => WireHealth::Draining,
            Health::Down => WireHealth::Down,
        },
        zone: instance.zone().map(str::to_owned),
        tags: instance.tags().map(str::to_owned).collect(),
        metadata: instance.metadata().clone(),
        ports: instance.ports().clone(),
        owner: owner.map(|owner| owner.as_str().to_owned()),
        unknown: unknown.0.clone(),
    }
}

fn from_wire(wire: Wire) -> Result<Entry, Error> {
    let bad = |error| Error::new(ErrorKind::Protocol, "a JSON value that is no valid instance").with_source(error);
    let address: Address = wire.address.parse().map_err(bad)?;
    let mut instance = Instance::new(address).with_id(wire.id).with_weight(wire.weight);
    instance = instance.with_health(match wire.health {
        WireHealth::Up => Health::Up,
        WireHealth::Draining => Health::Draining,
        WireHealth::Down | WireHealth::Unknown => Health::Down,
    });
    if let Some(zone) = wire.zone {
        instance = instance.with_zone(zone);
    }
    instance = wire.tags.into_iter().fold(instance, Instance::with_tag);
    instance = wire.metadata.into_iter().fold(instance, |i, (key, value)| i.with_metadata(key, value));
    instance = wire.ports.into_iter().fold(instance, |i, (name, port)| i.with_port(name, port));
    instance.validate().map_err(bad)?;
    Ok(Entry {
        instance,
        owner: wire.owner.as_deref().map(Owner::from_text),
        unknown: UnknownFields(wire.unknown),
        codec: Codec::Json,
    })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
