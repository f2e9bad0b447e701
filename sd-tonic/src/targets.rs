//! From target URIs to channels: which scheme means which registry.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sd_core::{Address, Backend, Drivers, Error, FixedInstancer, Instance, Instancer, Subscription};

use crate::channel_builder::ChannelBuilder;
use crate::target::Target;

const STATIC: &str = "static";

/// Which scheme of a target URI means which registry: a value of the program's own, no table of the process.
///
/// | target | whom it asks |
/// |---|---|
/// | `etcd:///book` | the registry that was [given](Self::registry) for `etcd` |
/// | `etcd://h1:2379,h2:2379/book?prefix=/svc` | that etcd, through a [driver](Self::drivers); the path is the service alone |
/// | `memory:///book` | a registry that needs no host, through its driver |
/// | `static:///h1:50051,h2:50051` | nobody: these instances |
///
/// ```
/// use std::sync::Arc;
/// use sd_core::{Drivers, MemoryDriver};
/// use sd_tonic::Targets;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
/// let targets = Targets::new().drivers(Drivers::new().with(MemoryDriver::default())); // or sd_kit::drivers()
/// let channel = targets.channel("memory:///book")?.connect()?;
/// // let mut client = BookServiceClient::new(channel);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Targets {
    given: BTreeMap<String, Arc<dyn Backend>>,
    drivers: Drivers,
    /// Registries that targets have named, for as long as somebody follows them: two services of one registry share
    /// its connection.
    named: Arc<Mutex<HashMap<String, Weak<dyn Backend>>>>,
}

impl Targets {
    /// `static:` alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which registry a scheme means in targets without an authority. The last one given counts.
    #[must_use]
    pub fn registry(mut self, scheme: impl Into<String>, registry: Arc<dyn Backend>) -> Self {
        self.given.insert(scheme.into().to_ascii_lowercase(), registry);
        self
    }

    /// Says how registries are reached that a target names by its authority.
    #[must_use]
    pub fn drivers(mut self, drivers: Drivers) -> Self {
        self.drivers = drivers;
        self
    }

    /// Begins a channel to the service that `target` names. Waits for nobody.
    ///
    /// # Errors
    /// `Config`, naming what is allowed: a malformed target, one without a service, an unknown scheme, an unknown
    /// option; and what the registry's driver says.
    pub fn channel(&self, target: &str) -> Result<ChannelBuilder, Error> {
        let Resolved { name, subscription, registry } = self.resolve(target)?;
        Ok(ChannelBuilder::new(name, subscription, registry))
    }

    fn resolve(&self, target: &str) -> Result<Resolved, Error> {
        let target = Target::parse(target)?;
        let given = self.given.get(&target.scheme);
        if target.scheme == STATIC && given.is_none() {
            let instances = target.listed()?.map(instance).collect::<Result<Vec<_>, _>>()?;
            // Whatever the service: the list is all there is.
            let service = STATIC.parse()?;
            let subscription = FixedInstancer::new(instances).subscribe(&service);
            return Ok(Resolved { name: STATIC.to_owned(), subscription, registry: None });
        }
        let registry = match given {
            Some(registry) if !target.names_registry() => {
                if target.has_options() {
                    return Err(Error::config(format!(
                        "target URI {scheme}://: its registry was given in code, with its options; to name another one \
                         write {scheme}://host:port/service?option=value",
                        scheme = target.scheme
                    )));
                }
                Arc::clone(registry)
            }
            _ if self.drivers.schemes().any(|known| known == target.scheme) => self.connect(&target)?,
            _ => return Err(self.unknown(&target)),
        };
        let service = target.service()?;
        let name = format!("{}:///{service}", target.scheme);
        Ok(Resolved { name, subscription: registry.subscribe(&service), registry: Some(registry) })
    }

    fn connect(&self, target: &Target) -> Result<Arc<dyn Backend>, Error> {
        // Checked before anything is started.
        target.service()?;
        let url = target.registry_url();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = named.get(&url).and_then(Weak::upgrade) {
            return Ok(registry);
        }
        let registry = self.drivers.connect(&url)?;
        named.retain(|_, registry| registry.strong_count() > 0);
        named.insert(url, Arc::downgrade(&registry));
        Ok(registry)
    }

    fn unknown(&self, target: &Target) -> Error {
        let scheme = &target.scheme;
        let list = |schemes: Vec<&str>| if schemes.is_empty() { "none".to_owned() } else { schemes.join(", ") };
        let given = list(self.given.keys().map(String::as_str).collect());
        let drivers = list(self.drivers.schemes().collect());
        Error::config(format!(
            "unknown target scheme {scheme:?}: known are static, given in code for {scheme}:///service: {given}; by \
             driver for {scheme}://host:port/service: {drivers}",
        ))
    }
}

/// What a target means.
struct Resolved {
    /// What the service is called in errors.
    name: String,
    subscription: Subscription,
    /// To be kept while the service is followed.
    registry: Option<Arc<dyn Backend>>,
}

fn instance(text: &str) -> Result<Instance, Error> {
    let instance = Instance::new(text.parse::<Address>()?);
    instance.validate()?;
    Ok(instance)
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets")
            .field("given", &self.given.keys())
            .field("drivers", &self.drivers.schemes().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
