//! The children of a node and what stands in them: listed, read, and news of their changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use sd_core::Error;
use zookeeper_client::{Error as Said, EventType};

use crate::error::{Failure, answer};
use crate::node::Found;
use crate::oneshot::OneShot;
use crate::read::Reader;
use crate::session::Session;
use crate::sessions::Sessions;
use crate::tree::Tree;

/// What is watched below a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A service's instances, and what stands in them.
    Instances,
    /// All services, and how many children each has.
    Services,
}

impl Kind {
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Instances => "watch",
            Self::Services => "watch services",
        }
    }

    /// The child that an event of the node `below` concerns.
    pub(crate) fn touched(self, below: &str, event: EventType) -> Option<&str> {
        match (self, below.split_once('/')) {
            (_, None) => Some(below),
            // An instance came or went: its service's count changes.
            (Self::Services, Some((service, instance))) => {
                (!instance.contains('/') && event != EventType::NodeDataChanged).then_some(service)
            }
            (Self::Instances, Some(_)) => None,
        }
    }
}

/// The children of a node, followed for as long as the connection lasts.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    session: Arc<Session>,
    sessions: &'a Sessions,
    path: String,
    kind: Kind,
    reader: Reader,
    news: News,
}

#[derive(Debug)]
enum News {
    Tree(Tree),
    OneShot(OneShot),
}

impl<'a> Feed<'a> {
    /// Begins to follow the children of `path`, which need not be there.
    pub(crate) async fn open(
        sessions: &'a Sessions,
        path: String,
        kind: Kind,
        one_shot: bool,
    ) -> Result<Self, Failure> {
        let opened = sessions.open(sessions.deadline(), kind.operation()).await;
        let session = opened.map_err(|error| Failure { error, said: Said::ConnectionLoss })?;
        let news = if one_shot {
            News::OneShot(OneShot::new(&session, &path, kind))
        } else {
            News::Tree(Tree::open(&session, sessions, &path, kind).await?)
        };
        Ok(Self { session, sessions, path, kind, reader: Reader::new(one_shot), news })
    }

    /// The names of all children now.
    pub(crate) async fn list(&mut self) -> Result<BTreeSet<String>, Failure> {
        match &mut self.news {
            News::Tree(_) => {
                let deadline = self.sessions.deadline();
                let client = self.session.ready(deadline, self.kind.operation()).await?;
                match answer(deadline, self.kind.operation(), client.list_children(&self.path)).await {
                    Err(failure) if failure.said == Said::NoNode => Ok(BTreeSet::new()),
                    names => Ok(names?.into_iter().collect()),
                }
            }
            News::OneShot(news) => news.list(self.sessions).await,
        }
    }

    /// What stands in each child now, if it is there.
    pub(crate) async fn read(
        &mut self,
        names: impl IntoIterator<Item = String> + Send,
    ) -> Result<Vec<(String, Option<Found>)>, Failure> {
        let names: Vec<_> = names.into_iter().collect();
        let parent = if self.path == "/" { "" } else { &self.path };
        let paths: Vec<_> = names.iter().map(|name| format!("{parent}/{name}")).collect();
        let mut all = Vec::with_capacity(paths.len());
        let mut rest = &*paths;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(self.reader.fitting(rest));
            let client = self.session.ready(self.sessions.deadline(), self.kind.operation()).await?;
            let found = match &mut self.news {
                News::Tree(tree) => {
                    let found = self.reader.read(client, batch, self.sessions, self.kind.operation()).await?;
                    tree.drain().await;
                    found
                }
                News::OneShot(news) => news.read(batch, self.sessions).await?,
            };
            all.extend(found);
            rest = later;
        }
        Ok(names.into_iter().zip(all).collect())
    }

    /// The names of children that may have changed, once there are any. Not cancel safe: whoever gives this up lists and
    /// reads all anew, with another feed.
    ///
    /// # Errors
    /// The connection is lost: what changed since is not known.
    pub(crate) async fn next(&mut self) -> Result<BTreeSet<String>, Error> {
        match &mut self.news {
            News::Tree(tree) => tree.next().await,
            News::OneShot(news) => Ok(news.next(self.sessions).await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};

    #[test]
    fn events_concern_a_child_or_nothing() {
        for event in [NodeCreated, NodeDataChanged, NodeDeleted] {
            assert_eq!(Kind::Instances.touched("a", event), Some("a"));
            assert_eq!(Kind::Instances.touched("a/b", event), None);
        }
        assert_eq!(Kind::Services.touched("book", NodeCreated), Some("book"));
        assert_eq!(Kind::Services.touched("book/1", NodeDeleted), Some("book"));
        assert_eq!(Kind::Services.touched("book/1", NodeDataChanged), None);
        assert_eq!(Kind::Services.touched("book/1/x", NodeCreated), None);
        assert_eq!(Kind::Services.touched("book", NodeChildrenChanged), Some("book"));
    }
}
