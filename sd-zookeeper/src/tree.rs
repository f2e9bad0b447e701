//! News of a tree of nodes by one persistent, recursive watch.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use sd_core::{Error, ErrorKind};
use zookeeper_client::{AddWatchMode, EventType, PersistentWatcher, SessionState, WatchedEvent};

use crate::error::{Failure, answer, error};
use crate::feed::Kind;
use crate::session::{Session, disconnected};
use crate::sessions::Sessions;

/// News of a tree of nodes, for as long as the connection lasts.
///
/// The client does not set such a watch again when it connects again (it sends the wrong request, up to 0.11.2), and
/// says nothing of that; so this ends at the first event of the session, and whoever reads it begins anew with another
/// watch and another listing. The client queues events without limit; they are drained to a set of names whenever there
/// is time between two requests.
#[derive(Debug)]
pub(crate) struct Tree {
    watcher: PersistentWatcher,
    /// With a slash at its end.
    prefix: String,
    kind: Kind,
    touched: BTreeSet<String>,
    /// Why no more is to come. The watcher must not be asked again then: it panics.
    broken: Option<Error>,
}

impl Tree {
    /// Watches the node `path`, which need not be there, and everything below it.
    pub(crate) async fn open(
        session: &Arc<Session>,
        sessions: &Sessions,
        path: &str,
        kind: Kind,
    ) -> Result<Self, Failure> {
        let deadline = sessions.deadline();
        let client = session.ready(deadline, kind.operation()).await?;
        let watching = client.watch(path, AddWatchMode::PersistentRecursive);
        let watcher = answer(deadline, kind.operation(), watching).await?;
        let prefix = if path == "/" { path.to_owned() } else { format!("{path}/") };
        Ok(Self { watcher, prefix, kind, touched: BTreeSet::new(), broken: None })
    }

    /// The names whose nodes may have changed, once there are any. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<BTreeSet<String>, Error> {
        loop {
            self.drain().await;
            if let Some(broken) = &self.broken {
                return Err(broken.clone());
            }
            if !self.touched.is_empty() {
                return Ok(std::mem::take(&mut self.touched));
            }
            let event = self.watcher.changed().await;
            self.note(&event);
        }
    }

    /// Takes what has arrived out of the client's queue.
    pub(crate) async fn drain(&mut self) {
        while self.broken.is_none() {
            let event = {
                let mut changed = pin!(self.watcher.changed());
                poll_fn(|cx| match changed.as_mut().poll(cx) {
                    Poll::Ready(event) => Poll::Ready(Some(event)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await
            };
            match event {
                Some(event) => self.note(&event),
                None => return,
            }
        }
    }

    fn note(&mut self, event: &WatchedEvent) {
        if event.event_type == EventType::Session {
            self.broken = Some(match event.session_state {
                SessionState::Expired => {
                    error(ErrorKind::Unavailable, self.kind.operation(), "the session has expired")
                }
                SessionState::AuthFailed => {
                    error(ErrorKind::Unauthorized, self.kind.operation(), "ZooKeeper refuses the credentials")
                }
                _ => disconnected(self.kind.operation()),
            });
            return;
        }
        // An event of the watched node itself tells nothing that those below do not.
        let Some(below) = event.path.strip_prefix(&self.prefix) else { return };
        if let Some(name) = self.kind.touched(below, event.event_type) {
            self.touched.insert(name.to_owned());
        }
    }
}
