//! News of the children of a node by one-shot watches, for servers that know no others.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;
use zookeeper_client::{Client, Error as Said, EventType, OneshotWatcher, WatchedEvent};

use crate::error::{Failure, answer};
use crate::feed::Kind;
use crate::node::Found;
use crate::session::Session;
use crate::sessions::Sessions;

/// A watch that has fired: of the child with this name, or of the list of children.
type Fired = (Option<String>, WatchedEvent);

/// News of the children of a node: a watch on their list, and one on each.
///
/// The client sets these again by itself when it connects again, and the server fires those whose nodes have changed
/// meanwhile. This ends at a lost connection all the same, since nothing is known for certain then.
pub(crate) struct OneShot {
    session: Arc<Session>,
    path: String,
    kind: Kind,
    /// As the last listing had them, less those that were gone when they were read.
    names: BTreeSet<String>,
    watches: FuturesUnordered<Pin<Box<dyn Future<Output = Fired> + Send>>>,
}

impl OneShot {
    pub(crate) fn new(session: &Arc<Session>, path: &str, kind: Kind) -> Self {
        let (session, path) = (Arc::clone(session), path.to_owned());
        Self { session, path, kind, names: BTreeSet::new(), watches: FuturesUnordered::new() }
    }

    /// The names of all children, which are watched from now on.
    pub(crate) async fn list(&mut self, sessions: &Sessions) -> Result<BTreeSet<String>, Failure> {
        let deadline = sessions.deadline();
        let session = Arc::clone(&self.session);
        let client = session.ready(deadline, self.kind.operation()).await?;
        let (names, watcher) = list(client, &self.path, self.kind, deadline).await?;
        self.names = names;
        self.watch(None, watcher);
        Ok(self.names.clone())
    }

    /// What stands in each of these children, which are watched from now on.
    pub(crate) async fn read(&mut self, paths: &[String], sessions: &Sessions) -> Result<Vec<Option<Found>>, Failure> {
        let deadline = sessions.deadline();
        let session = Arc::clone(&self.session);
        let client = session.ready(deadline, self.kind.operation()).await?;
        let mut reading = FuturesOrdered::new();
        for path in paths {
            reading.push_back(read_and_watch(client, path, self.kind, deadline));
        }
        let read: Vec<_> = reading.try_collect().await?;
        let mut all = Vec::with_capacity(read.len());
        for (path, read) in paths.iter().zip(read) {
            let name = path.rsplit('/').next().unwrap_or_default();
            all.push(read.map(|(found, watcher)| {
                self.watch(Some(name.to_owned()), watcher);
                found
            }));
            if all.last().is_some_and(Option::is_none) {
                // Should the next listing have it, it is new.
                self.names.remove(name);
            }
        }
        Ok(all)
    }

    /// The names of children that may have changed, once there are any. Not cancel safe: whoever gives this up lists and
    /// reads all anew, with another feed.
    pub(crate) async fn next(&mut self, sessions: &Sessions) -> Result<BTreeSet<String>, Failure> {
        let session = Arc::clone(&self.session);
        loop {
            let first = tokio::select! {
                Some(fired) = self.watches.next() => fired,
                error = session.until_disconnected() => return Err(Failure { error, said: Said::ConnectionLoss }),
            };
            let mut touched = BTreeSet::new();
            let mut list_changed = false;
            let mut next = Some(first);
            while let Some((name, event)) = next {
                if event.event_type == EventType::Session {
                    let error = crate::session::disconnected(self.kind.operation());
                    return Err(Failure { error, said: Said::SessionExpired });
                }
                match name {
                    Some(name) => drop(touched.insert(name)),
                    None => list_changed = true,
                }
                next = self.watches.next().now_or_never().flatten();
            }
            if list_changed {
                let before = std::mem::take(&mut self.names);
                let after = self.list(sessions).await?;
                touched.extend(before.symmetric_difference(&after).cloned());
            }
            if !touched.is_empty() {
                return Ok(touched);
            }
        }
    }

    fn watch(&mut self, name: Option<String>, watcher: OneshotWatcher) {
        self.watches.push(Box::pin(async move { (name, watcher.changed().await) }));
    }
}

/// The names of all children, and a watch that fires when they change; on the node itself while it is not there.
async fn list(
    client: &Client,
    path: &str,
    kind: Kind,
    deadline: Instant,
) -> Result<(BTreeSet<String>, OneshotWatcher), Failure> {
    loop {
        match answer(deadline, kind.operation(), client.list_and_watch_children(path)).await {
            Ok((names, watcher)) => return Ok((names.into_iter().collect(), watcher)),
            Err(failure) if failure.said == Said::NoNode => {}
            Err(failure) => return Err(failure),
        }
        // Unless it has come in between.
        if let (None, watcher) = answer(deadline, kind.operation(), client.check_and_watch_stat(path)).await? {
            return Ok((BTreeSet::new(), watcher));
        }
    }
}

async fn read_and_watch(
    client: &Client,
    path: &str,
    kind: Kind,
    deadline: Instant,
) -> Result<Option<(Found, OneshotWatcher)>, Failure> {
    let read = match kind {
        Kind::Instances => {
            let read = answer(deadline, kind.operation(), client.get_and_watch_data(path)).await;
            read.map(|(data, stat, watcher)| (Found::new(data, stat), watcher))
        }
        Kind::Services => {
            let read = answer(deadline, kind.operation(), client.get_and_watch_children(path)).await;
            read.map(|(_, stat, watcher)| (Found::new(Vec::new(), stat), watcher))
        }
    };
    match read {
        Ok(read) => Ok(Some(read)),
        Err(failure) if failure.said == Said::NoNode => Ok(None),
        Err(failure) => Err(failure),
    }
}

impl fmt::Debug for OneShot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneShot")
            .field("path", &self.path)
            .field("watches", &self.watches.len())
            .finish_non_exhaustive()
    }
}
