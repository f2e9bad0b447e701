//! A front over another registry: it keeps nothing itself.
//!
//! What it shows is mirrored from the backend while somebody looks; what it is asked to register, it registers there,
//! for as long as the registrant renews. Entries carry their registrant's owner as metadata, so that every front knows
//! whose they are.

mod following;
mod holdings;
mod mark;
mod mirror;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Backend, Codec, Error, ErrorKind, Owner, Registration, ServiceName, defaults};
use tokio::task::JoinHandle;

use crate::engine::change::Epoch;
use crate::engine::entry::Entry;
use crate::engine::ledger::{
    Condition, Following, Ledger, Put, Refusal, Registered, Removed, Renewal, Renewed, Update,
};
use crate::engine::limits::Limits;
use crate::engine::view::View;
use crate::engine::watcher::{News, Scope, Watcher};
use crate::front::following::Followed;
use crate::front::holdings::Holdings;
use crate::front::mark::marked;
use crate::front::mirror::Mirror;
use crate::metrics::Metrics;

/// An act's answer waits so long for the mirror to show what was done; then it goes out all the same.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
/// How often it is asked whether the backend can be reached.
const PROBE: Duration = Duration::from_secs(10);

/// A front over a backend.
pub(crate) struct Front {
    backend: Arc<dyn Backend>,
    mirror: Arc<Mirror>,
    holdings: Arc<Holdings>,
    limits: Limits,
    metrics: Arc<Metrics>,
    trouble: Arc<Mutex<Option<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Front {
    /// Its tasks end when it is dropped.
    pub(crate) fn start(backend: Arc<dyn Backend>, epoch: Epoch, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let view = Arc::new(View::new(epoch, 0, []));
        let mirror = Mirror::new(view, Arc::clone(&backend));
        let holdings = Holdings::new(Arc::clone(&metrics));
        let trouble = Arc::new(Mutex::new(None));
        let tasks = vec![
            tokio::spawn(Holdings::end_lapsed(Arc::downgrade(&holdings))),
            tokio::spawn(probe(Arc::clone(&backend), Arc::clone(&trouble))),
        ];
        Self { backend, mirror, holdings, limits, metrics, trouble, tasks }
    }

    /// Waits until the mirror shows an entry as wanted, and tells the revision of that.
    async fn shown(
        &self,
        service: &ServiceName,
        wanted: impl Fn(Option<&Entry>) -> bool + Send + Sync,
        id: &str,
    ) -> u64 {
        let view = self.mirror.view();
        let (mut watcher, _) = Watcher::new(view, Scope::Service(service.clone()), None);
        let seen = async {
            loop {
                let entry = view.entry(service, id);
                if wanted(entry.as_deref()) {
                    return entry.map_or_else(|| view.revision(), |entry| entry.revision);
                }
                let (News::Events(_) | News::Behind(_)) = watcher.next().await;
            }
        };
        tokio::time::timeout(SHOWN_WITHIN, seen).await.unwrap_or_else(|_| view.revision())
    }

    /// Who holds an id: here, or else as the mirror shows it.
    fn holder(&self, service: &ServiceName, id: &str) -> Option<Owner> {
        let shown = || self.mirror.view().entry(service, id).map(|entry| entry.owner.clone());
        self.holdings.owner(service, id).or_else(shown)
    }

    async fn followed(&self, service: &ServiceName) -> Result<Followed, Refusal> {
        self.mirror.follow(&Scope::Service(service.clone())).await
    }
}

/// What was asked of the backend, within a request's time.
async fn bounded<T>(act: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    match tokio::time::timeout(defaults::REQUEST_TIMEOUT, act).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("the registry behind has not answered within {:?}", defaults::REQUEST_TIMEOUT);
            Err(Error::unavailable(text))
        }
    }
}

/// A backend's error as what is answered.
fn refused(service: &ServiceName, id: &Arc<str>, error: Error) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound => Refusal::NotFound { service: service.clone(), id: Arc::clone(id) },
        ErrorKind::Conflict => Refusal::Superseded { service: service.clone(), id: Arc::clone(id) },
        ErrorKind::Config | ErrorKind::Unsupported => Refusal::Invalid(error),
        _ => Refusal::Unavailable(error),
    }
}

#[async_trait]
impl Ledger for Front {
    fn view(&self) -> &Arc<View> {
        self.mirror.view()
    }

    async fn register(&self, put: Put) -> Result<Registered, Refusal> {
        let Put { service, id, owner, .. } = &put;
        let arrival = self.holdings.arrive();
        let _followed = self.followed(service).await?;
        let before = self.mirror.view().entry(service, id);
        let is_anothers = self.holder(service, id).is_some_and(|holder| holder != *owner);
        if is_anothers && put.prior {
            return Err(Refusal::Superseded { service: service.clone(), id: Arc::clone(id) });
        }
        if put.instance.len() > self.limits.value_bytes {
            let (bytes, allowed) = (put.instance.len(), self.limits.value_bytes);
            let text = format!("the instance takes {bytes} bytes as JSON: allowed are {allowed}");
            return Err(Refusal::Invalid(Error::config(text)));
        }
        if self.holdings.len() >= self.limits.instances {
            let text = format!("this front keeps {} instances, which is its limit", self.limits.instances);
            return Err(Refusal::Full(text));
        }
        let instance = Codec::decode(put.instance.as_bytes()).map_err(Refusal::Invalid)?.instance;
        let instance = marked(instance, owner);
        let created = before.is_none();
        match self.holdings.renewing(service, id, owner, put.ttl) {
            Some(handle) => {
                let updated = bounded(handle.update(instance)).await;
                updated.map_err(|error| refused(service, id, error))?;
            }
            None => {
                let registering = self.backend.register(Registration::new(service.as_str(), instance));
                let handle = bounded(registering).await.map_err(|error| refused(service, id, error))?;
                if !self.holdings.keep(arrival, service, id, owner, put.ttl, handle) {
                    return Err(Refusal::Superseded { service: service.clone(), id: Arc::clone(id) });
                }
            }
        }
        self.metrics.registered.one();
        self.metrics.takeovers.add(usize::from(is_anothers));
        let is_shown = |entry: Option<&Entry>| entry.is_some_and(|e| e.owner == *owner && e.instance == put.instance);
        let revision = self.shown(service, is_shown, id).await;
        Ok(Registered { revision, created, took_over: is_anothers })
    }

    async fn update(&self, update: Update) -> Result<u64, Refusal> {
        let Update { service, id, owner, instance } = &update;
        let _followed = self.followed(service).await?;
        if self.holder(service, id).is_some_and(|holder| holder != *owner) {
            return Err(Refusal::Superseded { service: service.clone(), id: Arc::clone(id) });
        }
        let decoded = Codec::decode(instance.as_bytes()).map_err(Refusal::Invalid)?.instance;
        let Some(handle) = self.holdings.renewed(service, id, owner) else {
            return Err(Refusal::NotFound { service: service.clone(), id: Arc::clone(id) });
        };
        let updated = bounded(handle.update(marked(decoded, owner))).await;
        updated.map_err(|error| refused(service, id, error))?;
        self.metrics.updated.one();
        let is_shown = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.instance == *instance);
        Ok(self.shown(service, is_shown, id).await)
    }

    async fn deregister(&self, service: ServiceName, id: Arc<str>, owner: Option<Owner>) -> Result<Removed, Refusal> {
        let _followed = self.followed(&service).await?;
        let view = self.mirror.view();
        let entry = view.entry(&service, &id);
        let holder = self.holdings.owner(&service, &id);
        let is_wanted = |holder: &Owner| owner.as_ref().is_none_or(|owner| owner == holder);
        if holder.as_ref().is_some_and(is_wanted) {
            if let Some(handle) = self.holdings.release(&service, &id) {
                bounded(handle.deregister()).await.map_err(|error| refused(&service, &id, error))?;
            }
        } else if entry.as_ref().is_some_and(|entry| is_wanted(&entry.owner)) {
            match bounded(self.backend.deregister(&service, &id)).await {
                // The mirror is behind: it went by itself, which an owner need not know.
                Err(error) if error.kind() == ErrorKind::NotFound && owner.is_some() => {
                    return Ok(Removed { revision: view.revision(), removed: false });
                }
                gone => gone.map_err(|error| refused(&service, &id, error))?,
            }
        } else if owner.is_none() {
            return Err(Refusal::NotFound { service, id });
        } else {
            return Ok(Removed { revision: view.revision(), removed: false });
        }
        self.metrics.deregistered.one();
        let before = entry.map(|entry| entry.owner.clone()).or(holder);
        let is_gone = |entry: Option<&Entry>| entry.is_none_or(|entry| Some(&entry.owner) != before.as_ref());
        Ok(Removed { revision: self.shown(&service, is_gone, &id).await, removed: true })
    }

    async fn drain(&self, service: ServiceName, id: Arc<str>) -> Result<u64, Refusal> {
        let _followed = self.followed(&service).await?;
        bounded(self.backend.drain(&service, &id)).await.map_err(|error| refused(&service, &id, error))?;
        self.metrics.updated.one();
        let is_draining = |entry: Option<&Entry>| {
            let decoded = entry.and_then(|entry| entry.decode().ok());
            decoded.is_some_and(|decoded| decoded.instance.health() == sd_core::Health::Draining)
        };
        Ok(self.shown(&service, is_draining, &id).await)
    }

    fn renew(&self, renewals: &[Renewal<'_>]) -> Vec<Renewed> {
        let results: Vec<_> = renewals.iter().map(|renewal| self.holdings.renew(renewal)).collect();
        let renewed = results.iter().filter(|result| **result == Renewed::Ok).count();
        self.metrics.renewed.add(renewed);
        self.metrics.renewals_refused.add(results.len() - renewed);
        results
    }

    fn expires_in(&self, entry: &Entry) -> Option<u64> {
        self.holdings.expires_in(&entry.service, &entry.id, &entry.owner)
    }

    async fn follow(&self, scope: &Scope) -> Result<Following, Refusal> {
        Ok(Box::new(self.mirror.follow(scope).await?))
    }

    fn condition(&self) -> Condition {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Condition { store: "front", trouble, preserving: None }
    }

    async fn close(&self) {
        // Registrants renew at another front, or here after a restart: to take their entries away meanwhile would tell
        // everybody that they are gone. So each stays for as long as it was renewed, or until this process ends and
        // the backend's own TTL passes, as after a crash.
        Holdings::outlive(&self.holdings);
    }
}

/// Asks the backend how it is, until the front is gone.
async fn probe(backend: Arc<dyn Backend>, trouble: Arc<Mutex<Option<String>>>) {
    loop {
        let found = bounded(backend.probe()).await.err().map(|error| error.to_string());
        *trouble.lock().unwrap_or_else(PoisonError::into_inner) = found;
        tokio::time::sleep(PROBE).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("backend", &self.backend)
            .field("holdings", &self.holdings)
            .finish_non_exhaustive()
    }
}
