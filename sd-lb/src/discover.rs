//! Endpoints for tower's own balancer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sd_core::{Endpointer, InstanceKey};
use tower::discover::Change;

/// Endpoints for tower's own balancer: a `tower::discover::Discover` whose keys are the instances' ids.
///
/// Who may be picked is inserted, who no longer may is removed; one that moves to another address is inserted anew under
/// its id. Health, weight and metadata changes of one who stays insert nothing. The endpointer is kept up to date by a
/// task of its own; but tower's balancer, as ever, looks at it only when it is itself polled.
///
/// # Cancel safety
/// Waiting for a change may be given up at any time; nothing is lost.
pub struct Discovered<S> {
    endpointer: Arc<dyn Endpointer<S>>,
    /// What was told, and of which (id, address).
    told: HashMap<Arc<str>, InstanceKey>,
    untold: VecDeque<Change<Arc<str>, S>>,
    changed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S: Clone + Send + Sync + 'static> Discovered<S> {
    /// What `endpointer` gives, and every change of it.
    #[must_use]
    pub fn new(endpointer: Arc<dyn Endpointer<S>>) -> Self {
        let mut discovered = Self { endpointer, told: HashMap::new(), untold: VecDeque::new(), changed: None };
        discovered.look();
        discovered
    }

    /// Compares the present set with what was told, at the cost of a look at each member.
    fn look(&mut self) {
        let cell = Arc::clone(self.endpointer.cell());
        let present = cell.load();
        let ids: HashSet<&str> = present.members().iter().map(|member| member.instance().id()).collect();
        let gone: Vec<_> = self.told.keys().filter(|id| !ids.contains(&***id)).cloned().collect();
        for id in gone {
            self.told.remove(&id);
            self.untold.push_back(Change::Remove(id));
        }
        for (index, member) in present.members().iter().enumerate() {
            let id = member.instance().id();
            if self.told.get(id) != Some(&member.key())
                && let Some(service) = present.service(index)
            {
                let id: Arc<str> = id.into();
                self.told.insert(Arc::clone(&id), member.key());
                self.untold.push_back(Change::Insert(id, service.clone()));
            }
        }
        let version = present.version();
        drop(present);
        self.changed = Some(Box::pin(async move {
            cell.changed(version).await;
        }));
    }
}

impl<S: Clone + Send + Sync + 'static> Stream for Discovered<S> {
    type Item = Result<Change<Arc<str>, S>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(change) = self.untold.pop_front() {
                return Poll::Ready(Some(Ok(change)));
            }
            if let Some(changed) = &mut self.changed {
                ready!(changed.as_mut().poll(cx));
            }
            self.look();
        }
    }
}

/// Nothing is pinned in place: what is waited for is boxed.
impl<S> Unpin for Discovered<S> {}

impl<S> fmt::Debug for Discovered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered").field("endpointer", &self.endpointer).finish_non_exhaustive()
    }
}
