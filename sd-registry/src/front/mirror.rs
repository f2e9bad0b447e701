//! Shows what another registry holds, as far as somebody looks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sd_core::{
    Backend, CatalogSnapshot, Codec, Delta, Error, Freshness as Known, Instance, Owner, ServiceName, Snapshot,
    UnknownFields, defaults,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::change::{Change, Reason, What};
use crate::engine::entry::Entry;
use crate::engine::ledger::Refusal;
use crate::engine::view::View;
use crate::engine::watcher::Scope;
use crate::front::following::{Followed, tell};
use crate::front::mark::unmarked;

/// What nobody looks at any more is followed for so much longer.
const LINGER: Duration = defaults::LINGER;
/// Who asks for what is not known yet waits so long.
const KNOWN_WITHIN: Duration = defaults::CONNECT_TIMEOUT;
/// Services that have gone from the list are let go when they are seen to be empty; that is looked at this often.
const LOOK: Duration = Duration::from_millis(500);

/// Follows services of a backend, each once, and shows them in one view.
pub(crate) struct Mirror {
    view: Arc<View>,
    backend: Arc<dyn Backend>,
    /// Changes are numbered under this lock, and shown before the next are.
    order: Mutex<()>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    services: HashMap<ServiceName, (watch::Sender<Known>, JoinHandle<()>)>,
    all: Option<(watch::Sender<Known>, JoinHandle<()>)>,
}

impl Mirror {
    /// Its tasks end when it is dropped.
    pub(crate) fn new(view: Arc<View>, backend: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self { view, backend, order: Mutex::default(), table: Mutex::default() })
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Follows, and waits until something is known.
    ///
    /// # Errors
    /// `Unavailable`, when nothing is known in time.
    pub(crate) async fn follow(self: &Arc<Self>, scope: &Scope) -> Result<Followed, Refusal> {
        let mut followed = match scope {
            Scope::Service(service) => self.attach(service),
            Scope::Instances | Scope::Names => self.attach_all(),
        };
        if tokio::time::timeout(KNOWN_WITHIN, followed.settled()).await.is_ok() {
            followed.known.mark_unchanged();
            return Ok(followed);
        }
        let known = followed.known.borrow().clone();
        let nothing = || Error::unavailable(format!("the registry behind has told nothing within {KNOWN_WITHIN:?}"));
        Err(Refusal::Unavailable(known.error().cloned().unwrap_or_else(nothing)))
    }

    fn attach(self: &Arc<Self>, service: &ServiceName) -> Followed {
        let mut table = self.table();
        if let Some((sender, _)) = table.services.get(service) {
            return Followed { known: sender.subscribe() };
        }
        let (sender, known) = watch::channel(Known::Pending { error: None });
        let following =
            follow_service(Arc::downgrade(self), Arc::clone(&self.backend), service.clone(), sender.clone());
        table.services.insert(service.clone(), (sender, tokio::spawn(following)));
        Followed { known }
    }

    fn attach_all(self: &Arc<Self>) -> Followed {
        let mut table = self.table();
        if let Some((sender, _)) = &table.all {
            return Followed { known: sender.subscribe() };
        }
        let (sender, known) = watch::channel(Known::Pending { error: None });
        let following = follow_all(Arc::downgrade(self), Arc::clone(&self.backend), sender.clone());
        table.all = Some((sender, tokio::spawn(following)));
        Followed { known }
    }

    /// Shows how a service differs from what was shown of it.
    fn show(&self, service: &ServiceName, before: &Snapshot, now: &Snapshot) {
        let delta = Delta::between(before, now);
        let _numbered = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut revision = self.view.revision();
        let mut changes = Vec::new();
        for gone in &delta.removed {
            if let Some(entry) = self.view.entry(service, gone.id()) {
                revision += 1;
                changes.push(Change::Remove { entry, revision, reason: Reason::Gone });
            }
        }
        for instance in delta.added.iter().chain(&delta.changed) {
            match mirrored(service, instance, revision + 1) {
                Ok(entry) => {
                    revision += 1;
                    changes.push(Change::Put(Arc::new(entry)));
                }
                Err(error) => tracing::warn!(%service, id = instance.id(), %error, "left out of the mirror"),
            }
        }
        // What was there before anybody looked is no news.
        let new = if before.freshness().is_pending() { What::Found } else { What::Registered };
        self.view.apply_as(changes, new);
    }

    /// Lets a service go if nobody looks; what is shown of it is forgotten.
    fn let_go(&self, service: &ServiceName) -> bool {
        let mut table = self.table();
        let unused = table.services.get(service).is_none_or(|(sender, _)| sender.receiver_count() == 0);
        if unused {
            table.services.remove(service);
            let _numbered = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            self.view.forget(service);
        }
        unused
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let table = self.table.get_mut().unwrap_or_else(PoisonError::into_inner);
        table.services.values().for_each(|(_, task)| task.abort());
        table.all.iter().for_each(|(_, task)| task.abort());
    }
}

fn mirrored(service: &ServiceName, instance: &Instance, revision: u64) -> Result<Entry, Error> {
    let (plain, owner) = unmarked(instance);
    let value = Codec::Json.encode(&plain, owner.as_ref(), &UnknownFields::default())?;
    let text = String::from_utf8(value).map_err(|error| Error::config("not UTF-8").with_source(error))?;
    Ok(Entry {
        service: service.clone(),
        id: instance.id().into(),
        owner: owner.unwrap_or_else(|| Owner::from_text("")),
        revision,
        registered_at: None,
        lease: None,
        instance: text.into_boxed_str(),
    })
}

/// Resolves when nobody has looked for the linger, and `let_go` agrees.
async fn unwatched(sender: &watch::Sender<Known>, let_go: impl Fn() -> bool + Send) {
    loop {
        sender.closed().await;
        tokio::time::sleep(LINGER).await;
        if sender.receiver_count() == 0 && let_go() {
            return;
        }
    }
}

async fn follow_service(
    mirror: Weak<Mirror>,
    backend: Arc<dyn Backend>,
    service: ServiceName,
    sender: watch::Sender<Known>,
) {
    let mut subscription = backend.subscribe(&service);
    let mut shown = Snapshot::pending();
    let following = async {
        while let Some(snapshot) = subscription.changed().await {
            let Some(mirror) = mirror.upgrade() else { return };
            mirror.show(&service, &shown, &snapshot);
            tell(&sender, snapshot.freshness().clone());
            shown = snapshot;
        }
    };
    let let_go = || mirror.upgrade().is_none_or(|mirror| mirror.let_go(&service));
    tokio::select! {
        () = following => {}
        () = unwatched(&sender, let_go) => {}
    }
}

async fn follow_all(mirror: Weak<Mirror>, backend: Arc<dyn Backend>, sender: watch::Sender<Known>) {
    let mut catalog = backend.subscribe_services();
    let mut attached: HashMap<ServiceName, Followed> = HashMap::new();
    let following = async {
        let mut listed = catalog.snapshot();
        loop {
            {
                let Some(mirror) = mirror.upgrade() else { return };
                attach_listed(&mirror, &listed, &mut attached);
                tell(&sender, worst(&listed, &attached));
            }
            tokio::select! {
                changed = catalog.changed() => match changed {
                    Some(changed) => listed = changed,
                    None => return,
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    };
    let let_go = || {
        let Some(mirror) = mirror.upgrade() else { return true };
        let mut table = mirror.table();
        let unused = table.all.as_ref().is_none_or(|(sender, _)| sender.receiver_count() == 0);
        if unused {
            table.all = None;
        }
        unused
    };
    tokio::select! {
        () = following => {}
        () = unwatched(&sender, let_go) => {}
    }
}

/// Follows what is listed, and what is not for as long as it still has instances.
fn attach_listed(mirror: &Arc<Mirror>, listed: &CatalogSnapshot, attached: &mut HashMap<ServiceName, Followed>) {
    let names: &BTreeSet<ServiceName> = listed.names();
    for name in names {
        if !attached.contains_key(name) {
            attached.insert(name.clone(), mirror.attach(name));
        }
    }
    attached.retain(|name, _| names.contains(name) || mirror.view.instances_of(name) > 0);
}

/// The least that is known: of the list, or of a service in it.
fn worst(listed: &CatalogSnapshot, attached: &HashMap<ServiceName, Followed>) -> Known {
    let mut worst = listed.freshness().clone();
    for followed in attached.values() {
        let known = followed.known.borrow();
        let is_worse = known.is_pending() || (known.is_stale() && worst.is_live());
        if is_worse && !worst.is_pending() {
            worst = known.clone();
        }
    }
    worst
}
