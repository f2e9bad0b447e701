//! The reference backend: a registry in this process, for tests and programs that need no server.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use tokio::sync::watch;

use crate::backend::Backend;
use crate::catalog::CatalogPublisher;
use crate::codec::Owner;
use crate::connection::Connection;
use crate::defaults;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind};
use crate::instance::{Health, Instance};
use crate::probe::ProbeReport;
use crate::publisher::{Change, Publisher};
use crate::registry::{Grant, Lost, Record, Registry};
use crate::registry_url::RegistryUrl;
use crate::service::ServiceName;

/// A registry in this process: everyone who holds a clone sees the same entries.
///
/// Entries have no TTL: they live as long as their registrant keeps them. Tests can take it down, wipe it and expire
/// what it holds.
///
/// ```
/// # use std::sync::Arc;
/// # use sd_core::{Address, Connection, Instance, Instancer, MemoryRegistry, Registrar, Registration};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
/// let registry = Connection::builder(Arc::new(MemoryRegistry::new())).build()?;
/// let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
/// let handle = registry.register(Registration::new("book", instance)).await?;
/// let mut subscription = registry.subscribe(&"book".parse()?);
/// assert_eq!(subscription.known().await.len(), 1);
/// handle.deregister().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryRegistry {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Grows with every change, and with every act of a test.
    revision: watch::Sender<u64>,
}

type Entries = OrdMap<Arc<str>, Entry>;

#[derive(Default)]
struct State {
    services: HashMap<ServiceName, Entries>,
    down: bool,
}

#[derive(Clone, PartialEq)]
struct Entry {
    instance: Arc<Instance>,
    owner: Owner,
}

impl MemoryRegistry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes it down, or up again, for tests: while it is down every act fails as `Unavailable` and watches break.
    pub fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Forgets every entry, as a registry that was restarted without its data.
    pub fn wipe(&self) {
        self.change(|state| state.services.clear());
    }

    /// Forgets one entry behind its owner's back, as an expired lease does; says whether it was there.
    pub fn expire(&self, service: &ServiceName, id: &str) -> bool {
        self.change(|state| state.services.get_mut(service).is_some_and(|entries| entries.remove(id).is_some()))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.shared.revision.send_modify(|revision| *revision += 1);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless it is down.
    fn up(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state();
        if state.down { Err(down(operation)) } else { Ok(state) }
    }

    /// Changes the entry with this id, unless it is down or the entry is not there.
    fn change_entry(
        &self,
        operation: &'static str,
        service: &ServiceName,
        id: &str,
        change: impl FnOnce(&mut Entries),
    ) -> Result<(), Error> {
        drop(self.up(operation)?);
        self.change(|state| match state.services.get_mut(service) {
            Some(entries) if entries.contains_key(id) => {
                change(entries);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::NotFound, format!("{service} has no instance {id:?}"))
                .with_backend("memory")
                .during(operation)),
        })
    }
}

fn taken(operation: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, "a newer registrant has taken this id")
        .with_retryable(false)
        .with_backend("memory")
        .during(operation)
}

fn down(operation: &'static str) -> Error {
    Error::unavailable("it was taken down").with_backend("memory").during(operation)
}

#[async_trait]
impl Registry for MemoryRegistry {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn ttl(&self) -> Duration {
        defaults::TTL
    }

    fn carries_details(&self) -> bool {
        true
    }

    fn check(&self, _record: &Record) -> Result<(), Error> {
        Ok(())
    }

    async fn put(&self, record: &Record, prior: Option<&Grant>) -> Result<Grant, Error> {
        drop(self.up("register")?);
        self.change(|state| {
            let entries = state.services.entry(record.service.clone()).or_default();
            let is_anothers = |present: &Entry| present.owner != record.owner;
            if prior.is_some() && entries.get(record.instance.id()).is_some_and(is_anothers) {
                return Err(taken("register"));
            }
            let entry = Entry { instance: Arc::clone(&record.instance), owner: record.owner.clone() };
            entries.insert(record.instance.shared_id(), entry);
            Ok(())
        })?;
        Ok(Grant { token: 0, ttl: None, warning: None })
    }

    async fn held(&self, record: &Record, _grant: &Grant) -> Lost {
        let mut revision = self.shared.revision.subscribe();
        loop {
            let owner = {
                let state = self.state();
                let entry = state.services.get(&record.service).and_then(|e| e.get(record.instance.id()));
                entry.map(|entry| entry.owner.clone())
            };
            match owner {
                Some(owner) if owner == record.owner => {}
                Some(_) => return Lost::Superseded,
                None => return Lost::Gone(Error::new(ErrorKind::NotFound, "the entry is gone").with_backend("memory")),
            }
            if revision.changed().await.is_err() {
                return Lost::Gone(down("register"));
            }
        }
    }

    async fn update(&self, record: &Record, _grant: &Grant) -> Result<(), Error> {
        let mut conflict = false;
        self.change_entry("update", &record.service, record.instance.id(), |entries| {
            let entry = Entry { instance: Arc::clone(&record.instance), owner: record.owner.clone() };
            conflict = entries.get(record.instance.id()).is_none_or(|present| present.owner != record.owner);
            if !conflict {
                entries.insert(record.instance.shared_id(), entry);
            }
        })?;
        if conflict {
            return Err(taken("update"));
        }
        Ok(())
    }

    async fn remove(&self, record: &Record) -> Result<(), Error> {
        // Also while it is down: nothing in this process can end an entry that its owner could not take away.
        let down_now = self.state().down;
        self.change(|state| {
            if let Some(entries) = state.services.get_mut(&record.service)
                && entries.get(record.instance.id()).is_some_and(|entry| entry.owner == record.owner)
            {
                entries.remove(record.instance.id());
            }
        });
        if down_now { Err(down("deregister")) } else { Ok(()) }
    }

    async fn watch(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let mut revision = self.shared.revision.subscribe();
        let mut before: Option<Entries> = None;
        loop {
            let now = match self.up("watch") {
                Ok(state) => state.services.get(service).cloned().unwrap_or_default(),
                Err(error) => return error,
            };
            match &before {
                None => publisher.replace(now.values().map(|entry| Arc::clone(&entry.instance))),
                Some(before) => publisher.apply(before.diff(&now).map(|item| match item {
                    DiffItem::Add(_, entry) | DiffItem::Update { new: (_, entry), .. } => {
                        Change::Put(Arc::clone(&entry.instance))
                    }
                    DiffItem::Remove(id, _) => Change::Remove(Arc::clone(id)),
                })),
            }
            before = Some(now);
            if revision.changed().await.is_err() {
                return down("watch");
            }
        }
    }

    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        let state = self.up("list services")?;
        Ok(state.services.iter().filter(|(_, entries)| !entries.is_empty()).map(|(name, _)| name.clone()).collect())
    }

    async fn watch_services(&self, publisher: &CatalogPublisher) -> Error {
        let mut revision = self.shared.revision.subscribe();
        loop {
            match self.services().await {
                Ok(names) => publisher.replace(names),
                Err(error) => return error,
            }
            if revision.changed().await.is_err() {
                return down("watch services");
            }
        }
    }

    async fn drain(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.change_entry("drain", service, id, |entries| {
            if let Some(entry) = entries.get_mut(id) {
                entry.instance = Arc::new((*entry.instance).clone().with_health(Health::Draining));
            }
        })
    }

    async fn deregister(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        self.change_entry("deregister", service, id, |entries| {
            entries.remove(id);
        })
    }

    async fn probe(&self) -> Result<ProbeReport, Error> {
        drop(self.up("probe")?);
        Ok(ProbeReport::new(Duration::ZERO, env!("CARGO_PKG_VERSION"), ""))
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryRegistry")
            .field("services", &state.services.len())
            .field("down", &state.down)
            .finish_non_exhaustive()
    }
}

/// `memory://name`: one registry per name and driver value.
#[derive(Debug, Clone, Default)]
pub struct MemoryDriver {
    registries: Arc<Mutex<HashMap<String, MemoryRegistry>>>,
}

impl MemoryDriver {
    /// The registry that `memory://name` stands for.
    #[must_use]
    pub fn registry(&self, name: &str) -> MemoryRegistry {
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        registries.entry(name.to_owned()).or_default().clone()
    }
}

impl Driver for MemoryDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn connect(&self, mut url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        url.options().finish()?;
        let name = match (url.hosts(), url.path()) {
            ([], None) => "",
            ([(name, None)], None) => name,
            _ => return Err(Error::config(format!("{url}: write memory:// or memory://name, no port, no path"))),
        };
        Ok(Arc::new(Connection::builder(Arc::new(self.registry(name))).build()?))
    }
}
