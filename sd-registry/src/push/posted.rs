//! A registration that has been checked: what a member is.

use std::net::IpAddr;
use std::sync::Arc;

use sd_core::{Address, Instance, Owner, ServiceName, UnknownFields};

use crate::engine::entry::encode;
use crate::http::problem::told;
use crate::push::Key;
use crate::push::callback::Callback;
use crate::push::registration::RegistrationBody;
use crate::push::rules::PushRules;
use crate::push::shelf::Saved;

/// A service requires no more than so many others.
const MAX_REQUIRED: usize = 256;

/// What was posted, and may be kept.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) key: Key,
    /// As it was posted: what is pushed, and what it is deregistered by.
    pub(crate) url: String,
    pub(crate) requires: Vec<ServiceName>,
    pub(crate) update: Callback,
    pub(crate) heartbeat: Callback,
    instance: Instance,
}

impl Posted {
    /// Checks everything, resolving the callbacks for one who connected from `from`.
    ///
    /// # Errors
    /// What is wrong, with what was given and what is allowed.
    pub(crate) async fn check(body: RegistrationBody, from: IpAddr, rules: &PushRules) -> Result<Self, String> {
        let count = body.required_services.len();
        if count > MAX_REQUIRED {
            return Err(format!("RequiredServices has {count} names: allowed are {MAX_REQUIRED}"));
        }
        let (service, instance) = instance(&body.service_name, &body.service_url)?;
        let update = Callback::resolve("ServiceUpdateURL", &body.service_update_url, from, rules).await?;
        let heartbeat = Callback::resolve("HeartbeatURL", &body.heartbeat_url, from, rules).await?;
        let requires = required(&body.required_services);
        Ok(Self::new(service, body.service_url, requires, update, heartbeat, instance))
    }

    /// What an earlier run of the centre has checked.
    pub(crate) fn kept(saved: &Saved) -> Result<Arc<Self>, String> {
        let (service, instance) = instance(&saved.service, &saved.url)?;
        let requires = required(&saved.requires);
        let (update, heartbeat) = (saved.update.clone(), saved.heartbeat.clone());
        Ok(Arc::new(Self::new(service, saved.url.clone(), requires, update, heartbeat, instance)))
    }

    fn new(
        service: ServiceName,
        url: String,
        requires: Vec<ServiceName>,
        update: Callback,
        heartbeat: Callback,
        instance: Instance,
    ) -> Self {
        let key = Key { service, id: instance.id().into() };
        Self { key, url, requires, update, heartbeat, instance }
    }

    /// The instance as the centre keeps it.
    ///
    /// # Errors
    /// It can't be kept.
    pub(crate) fn encode(&self, owner: &Owner) -> Result<Box<str>, String> {
        encode(&self.instance, owner, &UnknownFields::default()).map_err(|error| told(&error))
    }
}

fn instance(service: &str, url: &str) -> Result<(ServiceName, Instance), String> {
    let service: ServiceName = service.parse().map_err(|error| format!("ServiceName: {}", told(&error)))?;
    let wrong = |error: sd_core::Error| format!("ServiceURL: {}", told(&error));
    let instance = Instance::new(url.parse::<Address>().map_err(wrong)?);
    instance.validate().map_err(wrong)?;
    Ok((service, instance))
}

/// Each once. A name that no service can have is one of which there are never providers, as with the article's centre.
fn required(names: &[String]) -> Vec<ServiceName> {
    let mut required: Vec<ServiceName> = Vec::new();
    for name in names.iter().filter_map(|name| name.parse().ok()) {
        if !required.contains(&name) {
            required.push(name);
        }
    }
    required
}
