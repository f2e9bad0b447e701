//! Waiting for the first answer: nobody can be picked yet, and that may be different in a moment.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sd_core::EndpointCell;

/// Done when the set is decided. Boxed: a program waits when it starts, and then never again.
pub(crate) struct Decided(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Decided {
    #[cold]
    pub(crate) fn new<S: Send + Sync + 'static>(cell: Arc<EndpointCell<S>>) -> Self {
        Self(Box::pin(async move {
            let mut seen = {
                let present = cell.load();
                if present.is_undecided() { Some(present.version()) } else { None }
            };
            while let Some(version) = seen {
                cell.changed(version).await;
                let present = cell.load();
                seen = present.is_undecided().then(|| present.version());
            }
        }))
    }
}

impl Future for Decided {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decided")
    }
}
