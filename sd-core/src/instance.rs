//! One instance of a service: who it is, where it listens, how it wants to be used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use crate::address::Address;
use crate::defaults::{MAX_ID_BYTES, MAX_WEIGHT, WEIGHT};
use crate::error::Error;

/// Whether an instance wants calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Health {
    /// It takes calls.
    #[default]
    Up,
    /// It finishes what it has and takes nothing new; it is about to go.
    Draining,
    /// It is registered, and its registry or itself says that it doesn't work.
    Down,
}

/// One instance of a service.
///
/// The id is unique within its service and by default the address; it survives a restart at the same address. What is
/// rarely given (zone, tags, metadata, further ports) costs eight bytes when it is not there.
///
/// ```
/// # use sd_core::{Address, Instance};
/// let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?)
///     .with_weight(2)
///     .with_zone("eu-1")
///     .with_tag("v1")
///     .with_metadata("commit", "4f3a");
/// assert_eq!(instance.id(), "127.0.0.1:50052");
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    id: Arc<str>,
    address: Address,
    details: Option<Box<Details>>,
    weight: u32,
    health: Health,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Details {
    zone: Option<String>,
    tags: BTreeSet<String>,
    metadata: BTreeMap<String, String>,
    ports: BTreeMap<String, u16>,
}

static NO_DETAILS: LazyLock<Details> = LazyLock::new(Details::default);

impl Instance {
    /// An instance at `address`, whose id is its `host:port` (of a URL with a path, `host:port:path`).
    pub fn new(address: impl Into<Address>) -> Self {
        let address = address.into();
        Self { id: address.default_id().into(), address, details: None, weight: WEIGHT, health: Health::Up }
    }

    /// Gives it an id of its own: 1 to 256 bytes without `/` and control characters, checked when it is registered.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = id.into();
        self
    }

    /// Its share of calls under weighted policies: 0 (none, under any policy) to 65,535. Default 1.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Says whether it wants calls.
    #[must_use]
    pub fn with_health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// The zone, rack or data centre it stands in.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.details_mut().zone = Some(zone.into());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.details_mut().tags.insert(tag.into());
        self
    }

    /// Adds a pair of metadata; the last of one key stands.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.details_mut().metadata.insert(key.into(), value.into());
        self
    }

    /// Adds a further named port at the same host, as for metrics or an admin page.
    #[must_use]
    pub fn with_port(mut self, name: impl Into<String>, port: u16) -> Self {
        self.details_mut().ports.insert(name.into(), port);
        self
    }

    /// Who it is, within its service.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its share of calls under weighted policies; 0 takes none under any.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether it wants calls.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// The zone it stands in, where it says one.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.details().zone.as_deref()
    }

    /// Its tags, in order.
    pub fn tags(&self) -> impl Iterator<Item = &str> + '_ {
        self.details().tags.iter().map(String::as_str)
    }

    /// Whether it has this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.details().tags.contains(tag)
    }

    /// Its metadata, in the keys' order.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.details().metadata
    }

    /// Its further named ports.
    #[must_use]
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        &self.details().ports
    }

    /// Whether it may be registered as it is.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed: the id's form, port 0, a weight above 65,535, an empty
    /// tag, zone or key.
    pub fn validate(&self) -> Result<(), Error> {
        check_id(&self.id)?;
        if self.address.written_port() == Some(0) || self.ports().values().any(|port| *port == 0) {
            return Err(Error::config(format!(
                "instance {:?}: port 0 can't be called; register the port that was really bound, 1 to 65535",
                self.id
            )));
        }
        if self.weight > MAX_WEIGHT {
            return Err(Error::config(format!(
                "instance {:?}: weight {}: allowed are 0 to {MAX_WEIGHT}",
                self.id, self.weight
            )));
        }
        let details = self.details();
        let words = details.tags.iter().chain(&details.zone).chain(details.metadata.keys()).chain(details.ports.keys());
        for word in words {
            if word.is_empty() || word.chars().any(char::is_control) {
                return Err(Error::config(format!(
                    "instance {:?}: {word:?} as a tag, zone or key: it must not be empty or hold control characters",
                    self.id
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// Whether everything but the address is the same.
    pub(crate) fn differs_in_address_alone(&self, other: &Self) -> bool {
        Self { address: other.address.clone(), ..self.clone() } == *other
    }

    fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }

    fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// Whether `id` can be the id of an instance.
///
/// # Errors
/// `Config`, naming the id and what is allowed.
pub fn check_id(id: &str) -> Result<(), Error> {
    let fits = (1..=MAX_ID_BYTES).contains(&id.len());
    if fits && !id.contains('/') && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::config(format!(
        "instance id {id:?}: allowed are 1 to {MAX_ID_BYTES} bytes without '/' and control characters"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(address: &str) -> Instance {
        Instance::new(address.parse::<Address>().unwrap())
    }

    #[test]
    fn the_id_is_the_address_unless_given() {
        assert_eq!(instance("[::1]:80").id(), "[::1]:80");
        assert_eq!(instance("[::1]:80").with_id("node2").id(), "node2");
        assert_eq!(instance("http://h/").id(), "h:80");
        assert_eq!(instance("http://h:81/a/b").id(), "h:81:a:b");
    }

    #[test]
    fn bad_ids_ports_weights_and_words_are_refused_by_name() {
        let long = "x".repeat(257);
        for id in ["", "a/b", "a\nb", long.as_str()] {
            let error = instance("h:1").with_id(id).validate().unwrap_err();
            assert!(error.to_string().contains("1 to 256 bytes"), "{error}");
        }
        for bad in [instance("h:0"), instance("http://h:0/"), instance("h:1").with_port("metrics", 0)] {
            assert!(bad.validate().unwrap_err().to_string().contains("port 0"));
        }
        let error = instance("h:1").with_weight(65_536).validate().unwrap_err();
        assert!(error.to_string().contains("65536") && error.to_string().contains("0 to 65535"), "{error}");
        assert!(instance("h:1").with_tag("").validate().is_err());
        assert!(instance("h:1").with_metadata("", "x").validate().is_err());
    }

    #[test]
    fn ids_with_blanks_percent_and_letters_of_any_script_are_allowed() {
        for id in ["a b", "50%", "#?", "знать", &"x".repeat(256)] {
            instance("h:1").with_id(id).validate().unwrap();
        }
    }

    #[test]
    fn an_instance_is_small_where_nothing_rare_is_said() {
        assert!(std::mem::size_of::<Instance>() <= 64, "{}", std::mem::size_of::<Instance>());
    }
}
