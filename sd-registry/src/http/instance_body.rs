//! An instance as it is sent: sd-core's JSON codec, read strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sd_core::{
    Address, Error, Health, Instance, Owner, Randomness, ServiceName, UnknownFields, check_id, default_randomness,
    defaults,
};
use serde::Deserialize;

use crate::engine::entry::encode;
use crate::http::problem::{Problem, told};
use crate::http::whole::Whole;
use crate::wire::present;

/// The longest address, in bytes: a URL, as a host's name has 253 at most.
const MAX_ADDRESS_BYTES: usize = 1_024;
/// The longest owner, in bytes.
const MAX_OWNER_BYTES: usize = 64;

/// The codec's fields, and none else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceBody {
    #[serde(default, deserialize_with = "present")]
    v: Option<Whole<u32>>,
    #[serde(default, deserialize_with = "present")]
    id: Option<String>,
    address: String,
    #[serde(default, deserialize_with = "present")]
    weight: Option<Whole<u32>>,
    #[serde(default, deserialize_with = "present")]
    health: Option<HealthWord>,
    #[serde(default, deserialize_with = "present")]
    zone: Option<String>,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    ports: BTreeMap<String, Whole<u16>>,
    #[serde(default, deserialize_with = "present")]
    owner: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HealthWord {
    Up,
    Draining,
    Down,
}

/// An instance that may be kept.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) id: Arc<str>,
    /// As it was sent.
    pub(crate) owner: Option<Owner>,
    instance: Instance,
}

impl Checked {
    /// As the centre keeps it.
    pub(crate) fn encode(&self, owner: &Owner) -> Result<Box<str>, Problem> {
        encode(&self.instance, owner, &UnknownFields::default())
            .map_err(|error| Problem::invalid("instance", told(&error)))
    }

    /// The owner that was sent, or a new one.
    pub(crate) fn owner_or_new(&self) -> Owner {
        let randomness: Arc<dyn Randomness> = default_randomness();
        self.owner.clone().unwrap_or_else(|| Owner::random(&*randomness))
    }
}

impl InstanceBody {
    /// Checks everything that core checks, and names the field.
    pub(crate) fn checked(self) -> Result<Checked, Problem> {
        let at = |field: &'static str| move |error: Error| Problem::invalid(format!("instance.{field}"), told(&error));
        if self.v == Some(Whole(0)) {
            return Err(Problem::invalid("instance.v", "v is 0: allowed is 1 or more"));
        }
        if self.address.len() > MAX_ADDRESS_BYTES {
            let bytes = self.address.len();
            let detail = format!("the address takes {bytes} bytes: allowed are {MAX_ADDRESS_BYTES}");
            return Err(Problem::invalid("instance.address", detail));
        }
        let address: Address = self.address.parse().map_err(at("address"))?;
        let mut instance = Instance::new(address);
        if let Some(id) = self.id {
            check_id(&id).map_err(at("id"))?;
            instance = instance.with_id(id);
        }
        instance.validate().map_err(at("address"))?;
        instance = instance.with_weight(self.weight.map_or(defaults::WEIGHT, |weight| weight.0));
        instance.validate().map_err(at("weight"))?;
        instance = instance.with_health(match self.health {
            None | Some(HealthWord::Up) => Health::Up,
            Some(HealthWord::Draining) => Health::Draining,
            Some(HealthWord::Down) => Health::Down,
        });
        if let Some(zone) = self.zone {
            instance = instance.with_zone(zone);
            instance.validate().map_err(at("zone"))?;
        }
        instance = self.tags.into_iter().fold(instance, Instance::with_tag);
        instance.validate().map_err(at("tags"))?;
        instance = self.metadata.into_iter().fold(instance, |i, (key, value)| i.with_metadata(key, value));
        instance.validate().map_err(at("metadata"))?;
        instance = self.ports.into_iter().fold(instance, |i, (name, port)| i.with_port(name, port.0));
        instance.validate().map_err(at("ports"))?;
        let owner = self.owner.map(|owner| checked_owner("instance.owner", &owner)).transpose()?;
        Ok(Checked { id: instance.id().into(), owner, instance })
    }
}

/// A service's name.
pub(crate) fn checked_service(field: &str, name: &str) -> Result<ServiceName, Problem> {
    name.parse().map_err(|error| Problem::invalid(field, told(&error)))
}

/// An instance's id.
pub(crate) fn checked_id(field: &str, id: &str) -> Result<Arc<str>, Problem> {
    check_id(id).map_err(|error| Problem::invalid(field, told(&error)))?;
    Ok(id.into())
}

/// An owner.
pub(crate) fn checked_owner(field: &str, owner: &str) -> Result<Owner, Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=MAX_OWNER_BYTES).contains(&owner.len()) && owner.bytes().all(allowed) {
        return Ok(Owner::from_text(owner));
    }
    let detail = format!("owner {owner:?}: allowed are 1 to {MAX_OWNER_BYTES} of A-Z a-z 0-9 _ -");
    Err(Problem::invalid(field, detail))
}
