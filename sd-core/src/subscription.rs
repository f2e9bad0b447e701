//! The read half: the latest state of a service, and word of every change.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::snapshot::Snapshot;

/// The latest state of a service, and word of every change. A clone is a further, independent reader.
///
/// State, not events: a reader that was slow sees the newest snapshot next, not the ones in between;
/// [`Delta::between`](crate::Delta::between) tells what that changed. While one lives, the watch behind it is kept.
#[derive(Clone)]
pub struct Subscription {
    receiver: watch::Receiver<Snapshot>,
    /// Keeps alive what publishes.
    _source: Option<Arc<dyn Any + Send + Sync>>,
}

impl Subscription {
    pub(crate) fn new(receiver: watch::Receiver<Snapshot>) -> Self {
        Self { receiver, _source: None }.unread()
    }

    /// A reader that has seen nothing, whatever this one has: what is there already is reported by `changed`.
    pub(crate) fn unread(mut self) -> Self {
        self.receiver.mark_changed();
        self
    }

    /// Keeps `source` alive for as long as this reader and its clones.
    pub(crate) fn keeping(mut self, source: Arc<dyn Any + Send + Sync>) -> Self {
        self._source = Some(source);
        self
    }

    /// What is known now. Never waits, never fails.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.receiver.borrow().clone()
    }

    /// Waits until there is something that this reader has not seen, and returns it; the first call returns at once
    /// with what is known. `None` when nothing can come any more.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is marked as seen unless it was returned.
    pub async fn changed(&mut self) -> Option<Snapshot> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }

    /// Waits until the service is known, or nothing can come any more, and returns what is known then.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn known(&mut self) -> Snapshot {
        if let Ok(snapshot) = self.receiver.wait_for(|snapshot| !snapshot.freshness.is_pending()).await {
            return snapshot.clone();
        }
        self.snapshot()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("snapshot", &*self.receiver.borrow()).finish()
    }
}
