//! How the updater gets services: asks the factory, bounds and counts what connects, tries again what failed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::task;
use tokio::time::Instant;

use super::{Aside, Stage, Updater};
use crate::admission::LeftOut;
use crate::defaults::MAX_CONNECTING;
use crate::endpoints::Seat;
use crate::error::{BoxError, Error};
use crate::factory::{Connecting, Factory};
use crate::instance::Instance;
use crate::load::InstanceKey;

pub(super) type Joined<S> = Result<(task::Id, Result<S, BoxError>), task::JoinError>;

impl<F: Factory> Updater<F> {
    /// A service for `instance`, if there is one or the factory makes one at once; else it is being made.
    pub(super) fn connect(&mut self, instance: &Arc<Instance>) -> Option<Arc<Seat<F::Service>>> {
        let id = instance.shared_id();
        let aside = self.aside_entry(instance);
        let load = aside.load.share();
        let why = match &aside.stage {
            Stage::Made(seat) => {
                let seat = Arc::clone(seat);
                self.aside.remove(&id);
                return Some(seat);
            }
            Stage::Unmade => match self.make(instance) {
                Connecting::Now(Ok(service)) => {
                    let backoff = self.aside.remove(&id).and_then(|aside| aside.backoff);
                    self.watch(load.key(), &id, &service, backoff);
                    return Some(Arc::new(Seat { service, load }));
                }
                Connecting::Now(Err(error)) => self.failed(&id, error),
                Connecting::Later(dial) => {
                    self.stage(&id, Stage::Dialing);
                    if self.dials.len() < MAX_CONNECTING {
                        self.dial(load.key(), Arc::clone(&id), dial);
                    } else {
                        // Dropped unpolled, and made again when there is a free place.
                        self.stage(&id, Stage::Queued);
                        self.queue.push_back(Arc::clone(&id));
                    }
                    LeftOut::Connecting
                }
            },
            Stage::Queued | Stage::Dialing | Stage::Failed => match self.next.left_out.get(&id) {
                Some((_, why @ (LeftOut::Connecting | LeftOut::Unconnected(_)))) => why.clone(),
                _ => LeftOut::Connecting,
            },
        };
        self.next.left_out.insert(id, (Arc::clone(instance), why));
        None
    }

    /// Asks the factory; one that panics must not end the task that everyone depends on.
    pub(super) fn make(&self, instance: &Arc<Instance>) -> Connecting<F::Service> {
        let make = AssertUnwindSafe(|| self.factory.make(Arc::clone(instance)));
        std::panic::catch_unwind(make).unwrap_or_else(|_| Connecting::Now(Err("the factory panicked".into())))
    }

    pub(super) fn dial(
        &mut self,
        key: InstanceKey,
        id: Arc<str>,
        dial: impl Future<Output = Result<F::Service, BoxError>> + Send + 'static,
    ) {
        let limit = self.connect_timeout;
        let dial = self.dials.spawn(async move {
            match tokio::time::timeout(limit, dial).await {
                Ok(made) => made,
                Err(_) => Err(format!("no connection within {limit:?}").into()),
            }
        });
        self.dialing.insert(dial.id(), (key, id));
    }

    /// Takes over what a dial came to, if its instance is still there at the same address.
    pub(super) fn joined(&mut self, joined: Joined<F::Service>) {
        let (dial, made) = match joined {
            Ok(joined) => joined,
            Err(panicked) => (panicked.id(), Err("the factory panicked".into())),
        };
        let Some((key, id)) = self.dialing.remove(&dial) else { return };
        match self.aside.get_mut(&id) {
            Some(aside) if aside.load.key() == key => match made {
                Ok(service) => {
                    let (load, backoff) = (aside.load.share(), aside.backoff.take());
                    self.watch(key, &id, &service, backoff);
                    self.stage(&id, Stage::Made(Arc::new(Seat { service, load })));
                }
                Err(error) => {
                    let why = self.failed(&id, error);
                    if let Some((_, present)) = self.next.left_out.get_mut(&id)
                        && matches!(present, LeftOut::Connecting | LeftOut::Unconnected(_))
                    {
                        *present = why;
                    }
                    return;
                }
            },
            _ => return,
        }
        if let Some(instance) = self.seen.get(&id).cloned() {
            self.admit(vec![instance]);
        }
    }

    /// Notes that no service could be made, and when to try again.
    pub(super) fn failed(&mut self, id: &Arc<str>, error: BoxError) -> LeftOut {
        if let Some(aside) = self.aside.get_mut(id) {
            let delay = aside.backoff.get_or_insert_default().failed();
            aside.stage = Stage::Failed;
            self.retries.insert((Instant::now() + delay, Arc::clone(id)));
        }
        LeftOut::Unconnected(Error::unavailable("no connection to the instance").during("connect").with_source(error))
    }

    pub(super) fn retry(&mut self) {
        let now = Instant::now();
        let mut again = Vec::new();
        while self.retries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.retries.pop_first() else { break };
            if matches!(self.aside.get(&id), Some(Aside { stage: Stage::Failed, .. })) {
                self.stage(&id, Stage::Unmade);
                again.extend(self.seen.get(&id).cloned());
            }
        }
        self.admit(again);
    }

    /// Fills the places that dials have left.
    pub(super) fn dial_more(&mut self) {
        while self.dials.len() < MAX_CONNECTING {
            let Some(id) = self.queue.pop_front() else { break };
            if matches!(self.aside.get(&id), Some(Aside { stage: Stage::Queued, .. })) {
                self.stage(&id, Stage::Unmade);
                let instance = self.seen.get(&id).cloned();
                self.admit(instance.into_iter().collect());
            }
        }
    }
}
