//! How an instance stands in Consul: as a service of its own, with what Consul has no place for in the metadata.

use std::collections::BTreeMap;

use sd_core::{Error, Health, Instance, Owner, Record, ServiceName};

use crate::check::CheckSettings;
use crate::definition::{Check, Definition, Status, Weights};
use crate::overflow::{MOST_PAIRS, Overflow, fits_key, fits_value};

/// What our own metadata begins with.
pub(crate) const OURS: &str = "sd-";
/// Who registered it: an entry without it is another program's.
pub(crate) const OWNER: &str = "sd-owner";
pub(crate) const ADDRESS: &str = "sd-address";
pub(crate) const ZONE: &str = "sd-zone";
pub(crate) const HEALTH: &str = "sd-health";
pub(crate) const WEIGHT: &str = "sd-weight";
pub(crate) const DOWN: &str = "down";
pub(crate) const DRAINING: &str = "draining";

/// What a registration is made of, beside the instance.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) check: CheckSettings,
    pub(crate) ttl: std::time::Duration,
    pub(crate) warning_weight: u32,
}

/// Consul's id: unique on an agent, where ours is unique within its service. No service's name holds a colon.
pub(crate) fn consul_id(service: &ServiceName, id: &str) -> String {
    format!("{service}:{id}")
}

/// Our id, of an entry that is ours.
pub(crate) fn instance_id<'a>(service: &str, consul_id: &'a str) -> Option<&'a str> {
    consul_id.strip_prefix(service)?.strip_prefix(':').filter(|id| !id.is_empty())
}

/// The id of the check that a registration brings. The owner is in it: who registers the same id anew replaces the check,
/// and the older one's heartbeat is told that it is unknown.
pub(crate) fn check_id(consul_id: &str, owner: &Owner) -> String {
    format!("service:{consul_id}:{}", owner.as_str())
}

/// Whose a service of the agent is.
pub(crate) fn owner(meta: &BTreeMap<String, String>) -> Option<&str> {
    meta.get(OWNER).map(String::as_str)
}

impl Layout {
    /// What is registered for a record.
    ///
    /// # Errors
    /// `Config`: more than Consul's metadata can hold, an address that Consul refuses or can't check.
    pub(crate) fn definition(&self, record: &Record) -> Result<Definition, Error> {
        let Record { service, instance, owner, .. } = record;
        let id = consul_id(service, instance.id());
        let address = instance.address();
        if address.host().parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Err(Error::config(format!(
                "instance {:?}: Consul refuses the address {address}; register one that others can call",
                instance.id()
            )));
        }
        let probe = self.check.probe(instance, self.ttl)?;
        let initial = if self.is_kept_by_us() { Status::Passing } else { self.check.initial };
        let deregister_after = self.check.deregister_after;
        let check = Check { id: check_id(&id, owner), probe, initial, deregister_after };
        Ok(Definition {
            id,
            service: service.as_str().to_owned(),
            tags: instance.tags().map(str::to_owned).collect(),
            meta: metadata(instance, owner)?,
            address: address.host(),
            port: address.port().unwrap_or_default(),
            // Consul knows no weight of 0; our own readers find it in the metadata.
            weights: Weights { passing: instance.weight().max(1), warning: self.warning_weight },
            check,
        })
    }

    /// Whether the check is a TTL's, which this process keeps.
    pub(crate) fn is_kept_by_us(&self) -> bool {
        self.check.kind == crate::config::CheckKind::Ttl
    }
}

/// Whether other programs should be told by maintenance mode not to call it.
pub(crate) fn is_out_of_service(instance: &Instance) -> bool {
    instance.health() != Health::Up
}

fn metadata(instance: &Instance, owner: &Owner) -> Result<BTreeMap<String, String>, Error> {
    let mut meta = BTreeMap::from([(OWNER.to_owned(), owner.as_str().to_owned())]);
    let mut overflow = Overflow::default();
    if instance.address().as_url().is_some() {
        overflow.carry(&mut meta, ADDRESS, instance.address().to_string());
    }
    if let Some(zone) = instance.zone() {
        overflow.carry(&mut meta, ZONE, zone.to_owned());
    }
    match instance.health() {
        Health::Up => {}
        Health::Draining => drop(meta.insert(HEALTH.to_owned(), DRAINING.to_owned())),
        _ => drop(meta.insert(HEALTH.to_owned(), DOWN.to_owned())),
    }
    if instance.weight() == 0 {
        meta.insert(WEIGHT.to_owned(), "0".to_owned());
    }
    overflow.ports.clone_from(instance.ports());
    for (key, value) in instance.metadata() {
        // What Consul can carry is left to be read by everyone.
        if fits_key(key) && !key.starts_with(OURS) && fits_value(value) {
            meta.insert(key.clone(), value.clone());
        } else {
            overflow.metadata.insert(key.clone(), value.clone());
        }
    }
    let natively = meta.clone();
    if !overflow.spread_into(&mut meta) {
        // Fewer, fuller pairs.
        meta = natively;
        let plain: Vec<_> = meta.keys().filter(|key| !key.starts_with(OURS)).cloned().collect();
        for key in plain {
            overflow.metadata.extend(meta.remove_entry(&key));
        }
        if !overflow.spread_into(&mut meta) {
            return Err(Error::config(format!(
                "instance {:?}: its metadata, zone and ports take {} bytes: Consul carries at most {MOST_PAIRS} pairs of \
                 512 bytes each",
                instance.id(),
                overflow.bytes()
            )));
        }
    }
    Ok(meta)
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
