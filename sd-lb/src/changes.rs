//! Changes of a service as a stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sd_core::{Delta, Snapshot, Subscription};

/// Changes of a service as a stream: what changed since the item before, and what is known now.
///
/// The first item comes at once, and adds all that is known. A reader that is slow gets the changes since it read last
/// as one item. The stream ends when nothing can come any more.
///
/// # Cancel safety
/// Waiting for an item may be given up at any time; nothing is lost.
pub struct Changes {
    next: Pin<Box<dyn Future<Output = (Option<Snapshot>, Subscription)> + Send>>,
    seen: Snapshot,
    ended: bool,
}

/// One change of a service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Changed {
    /// What changed since the item before. Empty when only freshness did.
    pub delta: Delta,
    /// What is known now.
    pub snapshot: Snapshot,
}

impl Changes {
    /// Everything that is known, and then the changes; whatever `subscription` has already returned.
    #[must_use]
    pub fn new(subscription: Subscription) -> Self {
        Self { next: Box::pin(first(subscription)), seen: Snapshot::pending(), ended: false }
    }
}

/// What is known now, seen by this reader or not.
async fn first(mut subscription: Subscription) -> (Option<Snapshot>, Subscription) {
    let unseen = poll_fn(|cx| match pin!(subscription.changed()).poll(cx) {
        Poll::Ready(snapshot) => Poll::Ready(snapshot),
        Poll::Pending => Poll::Ready(None),
    });
    let unseen = unseen.await;
    (Some(unseen.unwrap_or_else(|| subscription.snapshot())), subscription)
}

async fn next(mut subscription: Subscription) -> (Option<Snapshot>, Subscription) {
    (subscription.changed().await, subscription)
}

impl Stream for Changes {
    type Item = Changed;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Changed>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let (snapshot, subscription) = ready!(self.next.as_mut().poll(cx));
        let Some(snapshot) = snapshot else {
            self.ended = true;
            return Poll::Ready(None);
        };
        self.next = Box::pin(next(subscription));
        let delta = Delta::between(&self.seen, &snapshot);
        self.seen = snapshot.clone();
        Poll::Ready(Some(Changed { delta, snapshot }))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("seen", &self.seen).field("ended", &self.ended).finish()
    }
}
