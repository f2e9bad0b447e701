//! Services that say when they are lost: taken out at once, and made anew.

use std::sync::Arc;

use tokio::task;
use tokio::time::Instant;

use super::{Aside, Stage, Updater};
use crate::backoff::Backoff;
use crate::defaults::INSTANCE_SETTLED;
use crate::error::BoxError;
use crate::factory::Factory;
use crate::load::InstanceKey;

/// A service that is being watched.
pub(super) struct Watched {
    key: InstanceKey,
    id: Arc<str>,
    since: Instant,
    /// How far the steps had grown when it was made.
    backoff: Option<Backoff>,
}

impl<F: Factory> Updater<F> {
    /// Waits for the loss of a service that was just made, if it tells.
    pub(super) fn watch(&mut self, key: InstanceKey, id: &Arc<str>, service: &F::Service, backoff: Option<Backoff>) {
        if let Some(lost) = self.factory.lost(service) {
            let watch = self.watches.spawn(lost);
            self.watching.insert(watch.id(), Watched { key, id: Arc::clone(id), since: Instant::now(), backoff });
        }
    }

    /// Takes a lost service out of the set, if its instance is still there at the same address.
    pub(super) fn lost(&mut self, joined: Result<(task::Id, BoxError), task::JoinError>) {
        let (watch, error) = match joined {
            Ok(joined) => joined,
            Err(panicked) => (panicked.id(), "the watch on the service panicked".into()),
        };
        let Some(Watched { key, id, since, mut backoff }) = self.watching.remove(&watch) else { return };
        if since.elapsed() >= INSTANCE_SETTLED {
            backoff = None;
        }
        // The first loss is a server that restarts, perhaps; one after the other, a server that takes nobody.
        let at_once = backoff.is_none();
        backoff.get_or_insert_default();
        let place = self.place_of(&id);
        let place = place.filter(|place| self.next.members.get(*place).is_some_and(|member| member.key() == key));
        let Some(seat) = place.and_then(|place| self.take_out(place)) else {
            // It may not be picked at present; whoever admits it again finds that there is no service.
            if let Some(aside) = self.aside.get_mut(&id)
                && aside.load.key() == key
                && matches!(aside.stage, Stage::Made(_))
            {
                (aside.stage, aside.backoff) = (Stage::Unmade, backoff);
            }
            return;
        };
        self.aside.insert(Arc::clone(&id), Aside { load: seat.load.share(), backoff, stage: Stage::Unmade });
        let Some(instance) = self.seen.get(&id).cloned() else { return };
        if at_once {
            return self.admit(vec![instance]);
        }
        let why = self.failed(&id, error);
        self.next.left_out.insert(id, (instance, why));
    }
}

#[cfg(test)]
#[path = "losing_tests.rs"]
mod tests;
