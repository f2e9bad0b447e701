//! Word to the server that it is to finish.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// Resolves when the server is to take no new requests and finish those that run. A clone, for a second server or a
/// background task, resolves at the same time.
pub struct Stopping {
    receiver: watch::Receiver<bool>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Stopping {
    /// It, and what makes it resolve: `true`, or being dropped.
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self { receiver, waiting: None })
    }
}

impl Clone for Stopping {
    fn clone(&self) -> Self {
        Self { receiver: self.receiver.clone(), waiting: None }
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut receiver = self.receiver.clone();
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::pin(async move {
                // An error says that the life of this server is over, too.
                drop(receiver.wait_for(|stopping| *stopping).await);
            })
        });
        let ready = waiting.as_mut().poll(cx);
        if ready.is_ready() {
            // Polled again, it looks again.
            self.waiting = None;
        }
        ready
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopping").field(&*self.receiver.borrow()).finish()
    }
}
