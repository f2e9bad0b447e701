//! From Consul's answer about a service to its instances, whoever registered them.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use sd_core::{Address, Health, Instance};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::definition::Status;
use crate::layout::{ADDRESS, DOWN, DRAINING, HEALTH, OURS, OWNER, WEIGHT, ZONE, instance_id};
use crate::overflow::Overflow;

/// Text of the answer, borrowed from it where nothing in it is escaped.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// One entry of `/v1/health/service/…`. Of 2 kB that Consul sends for each, this is what is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    node: Node<'a>,
    #[serde(borrow)]
    service: Service<'a>,
    #[serde(borrow, default)]
    checks: Option<Vec<Check<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node<'a> {
    #[serde(borrow, rename = "Node")]
    name: Text<'a>,
    #[serde(borrow, default)]
    address: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service<'a> {
    #[serde(borrow, rename = "ID")]
    id: Text<'a>,
    #[serde(borrow, default)]
    tags: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    address: Text<'a>,
    #[serde(default)]
    port: i64,
    #[serde(borrow, default)]
    meta: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(default)]
    weights: Option<Weights>,
    #[serde(default)]
    create_index: u64,
    #[serde(default)]
    modify_index: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
    warning: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check<'a> {
    #[serde(borrow, rename = "CheckID")]
    id: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// It is compared as the text that it is.
impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What is read of a service.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) found: HashMap<String, Found>,
    /// What can't be read: which entry, at which index, why.
    pub(crate) unreadable: Vec<(String, u64, String)>,
    /// One of the nodes.
    pub(crate) node: Option<String>,
}

/// An instance, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) instance: Arc<Instance>,
    pub(crate) node: String,
    /// Of two with one id the greater stands: ours before another program's of the same address, one that works before
    /// one that doesn't, then the newer.
    rank: (bool, bool, u64),
}

impl Listing {
    /// Reads an answer; only instances with all of `tags` are taken.
    ///
    /// Entries are turned into instances one by one while the answer is read, so that of a large one no second copy is
    /// held.
    ///
    /// # Errors
    /// The answer is not Consul's.
    pub(crate) fn read(service: &str, tags: &[String], body: &[u8]) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let listing = json.deserialize_seq(Reader { service, tags })?;
        json.end()?;
        Ok(listing)
    }

    fn take_up(&mut self, service: &str, tags: &[String], entry: &Entry<'_>) {
        if self.node.is_none() {
            self.node = Some(entry.node.name.as_str().to_owned());
        }
        let of_entry = entry.service.tags.as_deref().unwrap_or_default();
        // Consul takes several tags only since 1.3.
        if !tags.iter().all(|tag| of_entry.iter().any(|found| found.as_str() == tag)) {
            return;
        }
        let (instance, rank) = match entry.instance(service) {
            Ok(read) => read,
            Err(why) => {
                self.unreadable.push((entry.key(), entry.service.modify_index, why));
                return;
            }
        };
        let node = entry.node.name.as_str().to_owned();
        let found = Found { node, rank, instance: Arc::new(instance) };
        let id = found.instance.id();
        if self.found.get(id).is_none_or(|present| present.rank < rank) {
            self.found.insert(id.to_owned(), found);
        }
    }
}

impl Entry<'_> {
    /// Names it to people.
    fn key(&self) -> String {
        format!("{}/{}", self.node.name.as_str(), self.service.id.as_str())
    }

    fn instance(&self, service: &str) -> Result<(Instance, (bool, bool, u64)), String> {
        let ours = self.meta(OWNER).and_then(|_| instance_id(service, self.service.id.as_str()));
        let overflow = match ours {
            Some(_) => Overflow::gathered(|key| self.meta(key))?,
            None => Overflow::default(),
        };
        let own = |key: &str| {
            let carried = overflow.own.get(key).map(String::as_str);
            ours.and_then(|_| self.meta(key).or(carried))
        };
        let address = match own(ADDRESS) {
            Some(url) => url.parse().map_err(|error: sd_core::Error| error.to_string())?,
            None => self.address()?,
        };
        let mut instance = Instance::new(address);
        if let Some(id) = ours {
            instance = instance.with_id(id);
        }
        let status = self.status();
        let health = self.health(own(HEALTH), status);
        instance = instance.with_health(health).with_weight(self.weight(own(WEIGHT), status)?);
        if let Some(zone) = own(ZONE) {
            instance = instance.with_zone(zone);
        }
        let tags = self.service.tags.iter().flatten().map(Text::as_str).filter(|tag| !tag.is_empty());
        instance = tags.fold(instance, Instance::with_tag);
        for (key, value) in self.service.meta.iter().flatten() {
            if ours.is_none() || !key.as_str().starts_with(OURS) {
                instance = instance.with_metadata(key.as_str(), value.as_str());
            }
        }
        instance = overflow.metadata.into_iter().fold(instance, |i, (key, value)| i.with_metadata(key, value));
        instance = overflow.ports.into_iter().fold(instance, |i, (name, port)| i.with_port(name, port));
        Ok((instance, (ours.is_some(), health != Health::Down, self.service.create_index)))
    }

    /// Where it says that it listens, else its node.
    fn address(&self) -> Result<Address, String> {
        let host = match self.service.address.as_str() {
            "" => self.node.address.as_str(),
            host => host,
        };
        let port = u16::try_from(self.service.port).ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| format!("port {}: it can't be called", self.service.port))?;
        let bare_v6 = host.contains(':') && !host.starts_with('[');
        let text = if bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        text.parse().map_err(|error: sd_core::Error| error.to_string())
    }

    /// The worst of its checks and its node's, maintenance left aside.
    fn status(&self) -> Status {
        let checks = self.checks.iter().flatten().filter(|check| !check.is_maintenance());
        checks.map(|check| Status::of(check.status.as_str())).max().unwrap_or(Status::Passing)
    }

    fn health(&self, said: Option<&str>, status: Status) -> Health {
        let in_maintenance = self.checks.iter().flatten().any(Check::is_maintenance);
        match said {
            None | Some(DRAINING) => match (in_maintenance, status) {
                // As Consul weighs them: maintenance says more than a check.
                (true, _) => Health::Draining,
                (false, Status::Critical) => Health::Down,
                (false, _) if said.is_some() => Health::Draining,
                (false, _) => Health::Up,
            },
            // A word of a later version: not known to be up, so not picked.
            Some(DOWN | _) => Health::Down,
        }
    }

    fn weight(&self, said: Option<&str>, status: Status) -> Result<u32, String> {
        if let Some(said) = said {
            return said.parse().map_err(|_| format!("weight {said:?}: it is not a number"));
        }
        let weights = self.service.weights.as_ref();
        Ok(match status {
            Status::Warning => weights.map_or(1, |weights| weights.warning),
            _ => weights.map_or(1, |weights| weights.passing),
        })
    }

    fn meta(&self, key: &str) -> Option<&str> {
        self.service.meta.as_ref()?.get(key).map(Text::as_str)
    }
}

impl Check<'_> {
    fn is_maintenance(&self) -> bool {
        self.id.as_str() == "_node_maintenance" || self.id.as_str().starts_with("_service_maintenance:")
    }
}

struct Reader<'s> {
    service: &'s str,
    tags: &'s [String],
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Listing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of a service's entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Listing, A::Error> {
        let mut listing = Listing::default();
        while let Some(entry) = entries.next_element::<Entry<'de>>()? {
            listing.take_up(self.service, self.tags, &entry);
        }
        Ok(listing)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
