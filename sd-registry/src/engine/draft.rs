//! Plans a batch of acts, without doing any: the whole batch is written, and shown, or none of it.

use std::collections::HashMap;
use std::sync::Arc;

use sd_core::{Error, Health, Owner, ServiceName};

use crate::engine::change::{Change, Reason};
use crate::engine::clock::{Millis, unix_now};
use crate::engine::entry::{Entry, encode};
use crate::engine::lease::{Due, Lease};
use crate::engine::ledger::{Put, Refusal, Registered, Removed, Update};
use crate::engine::limits::Limits;
use crate::engine::view::View;

/// A change that is planned, and what stands in its place now.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) change: Change,
    pub(crate) replaced: Option<Arc<Entry>>,
}

/// What is registered, as it will be when the batch is done.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    view: &'a View,
    limits: &'a Limits,
    now: Millis,
    next_lease: &'a mut u64,
    revision: u64,
    /// What the batch changes; `None`: taken away.
    overlay: HashMap<(ServiceName, Arc<str>), Option<Arc<Entry>>>,
    instances: usize,
    instances_of: HashMap<ServiceName, usize>,
    pub(crate) planned: Vec<Planned>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(view: &'a View, limits: &'a Limits, now: Millis, next_lease: &'a mut u64) -> Self {
        let counts = view.counts();
        Self {
            view,
            limits,
            now,
            next_lease,
            revision: counts.revision,
            overlay: HashMap::new(),
            instances: counts.instances,
            instances_of: HashMap::new(),
            planned: Vec::new(),
        }
    }

    pub(crate) fn register(&mut self, put: &Put) -> Result<Registered, Refusal> {
        let present = self.entry(&put.service, &put.id);
        let is_anothers = present.as_ref().is_some_and(|entry| entry.owner != put.owner);
        if is_anothers && put.prior {
            return Err(Refusal::Superseded { service: put.service.clone(), id: Arc::clone(&put.id) });
        }
        self.check_size(&put.instance)?;
        let created = present.is_none();
        if created {
            self.check_room(&put.service)?;
        }
        let own = present.as_ref().filter(|_| !is_anothers);
        let lease = own.and_then(|entry| entry.lease.clone()).filter(|lease| lease.ttl == put.ttl);
        if let (Some(lease), Some(entry)) = (&lease, own) {
            lease.renew(self.now);
            if entry.instance == put.instance {
                return Ok(Registered { revision: entry.revision, created: false, took_over: false });
            }
        }
        let lease = lease.unwrap_or_else(|| self.new_lease(put));
        let (service, id) = (&put.service, &put.id);
        let revision = self.put(service, id, &put.owner, put.instance.clone(), Some(lease), present);
        Ok(Registered { revision, created, took_over: is_anothers })
    }

    pub(crate) fn update(&mut self, update: &Update) -> Result<u64, Refusal> {
        let (service, id) = (&update.service, &update.id);
        let present = self.existing(service, id)?;
        if present.owner != update.owner {
            return Err(Refusal::Superseded { service: service.clone(), id: Arc::clone(id) });
        }
        self.check_size(&update.instance)?;
        if let Some(lease) = &present.lease {
            lease.renew(self.now);
        }
        if present.instance == update.instance {
            return Ok(present.revision);
        }
        let lease = present.lease.clone();
        Ok(self.put(service, id, &update.owner, update.instance.clone(), lease, Some(present)))
    }

    /// With an owner: that owner's entry, or nothing. Without: whosoever it is.
    pub(crate) fn deregister(
        &mut self,
        service: &ServiceName,
        id: &Arc<str>,
        owner: Option<&Owner>,
    ) -> Result<Removed, Refusal> {
        let present = match (self.entry(service, id), owner) {
            (Some(entry), None) => entry,
            (Some(entry), Some(owner)) if entry.owner == *owner => entry,
            (_, Some(_)) => return Ok(Removed { revision: self.revision, removed: false }),
            (None, None) => return Err(not_found(service, id)),
        };
        Ok(Removed { revision: self.remove(present, Reason::Deregistered), removed: true })
    }

    pub(crate) fn drain(&mut self, service: &ServiceName, id: &Arc<str>) -> Result<u64, Refusal> {
        let present = self.existing(service, id)?;
        let decoded = present.decode().map_err(Refusal::Invalid)?;
        if decoded.instance.health() == Health::Draining {
            return Ok(present.revision);
        }
        let draining = decoded.instance.with_health(Health::Draining);
        let instance = encode(&draining, &present.owner, &decoded.unknown).map_err(Refusal::Invalid)?;
        let (owner, lease) = (present.owner.clone(), present.lease.clone());
        Ok(self.put(service, id, &owner, instance, lease, Some(present)))
    }

    /// Takes away what a lapsed lease held, if it holds it still; says whether it does.
    pub(crate) fn expire(&mut self, due: &Due) -> bool {
        let Some(entry) = self.held_by(due) else { return false };
        if !due.lease.end(self.now) {
            return false;
        }
        self.remove(entry, Reason::Expired);
        true
    }

    /// The entry that this lease holds, as the batch leaves it.
    pub(crate) fn held_by(&self, due: &Due) -> Option<Arc<Entry>> {
        let entry = self.entry(&due.service, &due.id)?;
        entry.lease.as_ref().is_some_and(|lease| lease.serial == due.lease.serial).then_some(entry)
    }

    fn entry(&self, service: &ServiceName, id: &Arc<str>) -> Option<Arc<Entry>> {
        match self.overlay.get(&(service.clone(), Arc::clone(id))) {
            Some(changed) => changed.clone(),
            None => self.view.entry(service, id),
        }
    }

    fn existing(&self, service: &ServiceName, id: &Arc<str>) -> Result<Arc<Entry>, Refusal> {
        self.entry(service, id).ok_or_else(|| not_found(service, id))
    }

    fn put(
        &mut self,
        service: &ServiceName,
        id: &Arc<str>,
        owner: &Owner,
        instance: Box<str>,
        lease: Option<Arc<Lease>>,
        replaced: Option<Arc<Entry>>,
    ) -> u64 {
        self.revision += 1;
        let revision = self.revision;
        // The id that is there already is shared, not kept twice.
        let id = replaced.as_ref().map_or_else(|| Arc::clone(id), |entry| Arc::clone(&entry.id));
        let (service, owner) = (service.clone(), owner.clone());
        let own = replaced.as_ref().filter(|entry| entry.owner == owner);
        let registered_at = own.map_or_else(|| Some(unix_now()), |entry| entry.registered_at);
        let entry =
            Entry { service: service.clone(), id: Arc::clone(&id), owner, revision, registered_at, lease, instance };
        let entry = Arc::new(entry);
        if replaced.is_none() {
            self.instances += 1;
            *self.count_of(&service) += 1;
        }
        self.overlay.insert((service, id), Some(Arc::clone(&entry)));
        self.planned.push(Planned { change: Change::Put(entry), replaced });
        revision
    }

    fn remove(&mut self, entry: Arc<Entry>, reason: Reason) -> u64 {
        self.revision += 1;
        let revision = self.revision;
        self.instances = self.instances.saturating_sub(1);
        let count = self.count_of(&entry.service);
        *count = count.saturating_sub(1);
        self.overlay.insert((entry.service.clone(), Arc::clone(&entry.id)), None);
        let replaced = Some(Arc::clone(&entry));
        self.planned.push(Planned { change: Change::Remove { entry, revision, reason }, replaced });
        revision
    }

    fn new_lease(&mut self, put: &Put) -> Arc<Lease> {
        *self.next_lease += 1;
        Lease::new(*self.next_lease, put.ttl, self.now)
    }

    fn count_of(&mut self, service: &ServiceName) -> &mut usize {
        let view = self.view;
        self.instances_of.entry(service.clone()).or_insert_with(|| view.instances_of(service))
    }

    fn check_size(&self, instance: &str) -> Result<(), Refusal> {
        let (bytes, allowed) = (instance.len(), self.limits.value_bytes);
        if bytes <= allowed {
            return Ok(());
        }
        Err(Refusal::Invalid(Error::config(format!("the instance takes {bytes} bytes as JSON: allowed are {allowed}"))))
    }

    fn check_room(&mut self, service: &ServiceName) -> Result<(), Refusal> {
        let Limits { instances, instances_per_service, .. } = *self.limits;
        if self.instances >= instances {
            return Err(Refusal::Full(format!("the centre holds {instances} instances, which is its limit")));
        }
        if *self.count_of(service) >= instances_per_service {
            let text = format!("{service} has {instances_per_service} instances, which is the limit of a service");
            return Err(Refusal::Full(text));
        }
        Ok(())
    }
}

fn not_found(service: &ServiceName, id: &Arc<str>) -> Refusal {
    Refusal::NotFound { service: service.clone(), id: Arc::clone(id) }
}
