//! Which nodes a service has, and which instances they make.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sd_core::{Change, Instance, Publisher};

use crate::entry::{Form, read};
use crate::node::Found;
use crate::paths::names;

/// Which nodes a service has, and which instances they make.
///
/// Several nodes may make one instance: a Go program that restarts registers under another name, while its old node
/// stands until the old session ends, and both hold the same address. The instance stands while one of them does. An
/// entry of ours or Curator's comes before a plain one, then the newer one.
#[derive(Debug)]
pub(crate) struct View {
    /// The service's node.
    path: String,
    nodes: HashMap<Arc<str>, Option<Made>>,
    /// The nodes of each instance, by its id.
    ids: HashMap<Arc<str>, Vec<Arc<str>>>,
}

/// The instance that a node makes.
#[derive(Debug)]
struct Made {
    instance: Arc<Instance>,
    plain: bool,
    /// The transaction that wrote it.
    written: i64,
}

impl View {
    /// Nothing yet, of the service whose node is `path`.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), nodes: HashMap::new(), ids: HashMap::new() }
    }

    /// Every instance, once.
    pub(crate) fn instances(&self) -> impl Iterator<Item = Arc<Instance>> + '_ {
        self.ids.keys().filter_map(|id| self.winner(id).cloned())
    }

    /// Whether the node with this whole path is known, readable or not.
    pub(crate) fn has(&self, path: &str) -> bool {
        path.strip_prefix(&self.path)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| self.nodes.contains_key(name))
    }

    /// Takes up nodes as they were read, and says what that changes. What can't be read is counted at `publisher`.
    pub(crate) fn take_up(&mut self, publisher: &Publisher, nodes: Vec<(String, Option<Found>)>) -> Vec<Change> {
        let mut touched = Vec::new();
        let mut seen = HashSet::new();
        for (name, found) in nodes {
            let ids = match found {
                Some(found) => self.put(publisher, &name, &found),
                None => {
                    publisher.unskip(&self.key(&name));
                    [self.forget(&name), None]
                }
            };
            touched.extend(ids.into_iter().flatten().filter(|id| seen.insert(Arc::clone(id))));
        }
        let change = |id: Arc<str>| match self.winner(&id) {
            Some(instance) => Change::Put(Arc::clone(instance)),
            None => Change::Remove(id),
        };
        touched.into_iter().map(change).collect()
    }

    /// Takes up a node; the ids that this touches.
    fn put(&mut self, publisher: &Publisher, name: &str, found: &Found) -> [Option<Arc<str>>; 2] {
        let made = make(publisher, &self.key(name), name, found);
        let before = self.forget(name);
        let name: Arc<str> = name.into();
        let after = made.as_ref().map(|made| {
            let id = match self.ids.get_key_value(made.instance.id()) {
                Some((id, _)) => Arc::clone(id),
                None => Arc::from(made.instance.id()),
            };
            self.ids.entry(Arc::clone(&id)).or_default().push(Arc::clone(&name));
            id
        });
        self.nodes.insert(name, made);
        [before, after]
    }

    /// What a node is called in logs.
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Takes a node out; the id that it made.
    fn forget(&mut self, name: &str) -> Option<Arc<str>> {
        let made = self.nodes.remove(name)??;
        let (id, mut nodes) = self.ids.remove_entry(made.instance.id())?;
        nodes.retain(|kept| **kept != *name);
        if !nodes.is_empty() {
            self.ids.insert(Arc::clone(&id), nodes);
        }
        Some(id)
    }

    /// The instance that stands for an id.
    fn winner(&self, id: &str) -> Option<&Arc<Instance>> {
        let made = self.ids.get(id)?.iter().filter_map(|name| self.nodes.get(name)?.as_ref());
        made.max_by_key(|made| (!made.plain, made.written)).map(|made| &made.instance)
    }
}

/// The instance that a node makes; counts what can't be read.
fn make(publisher: &Publisher, key: &str, name: &str, found: &Found) -> Option<Made> {
    let written = found.stat.mzxid;
    let skip = |why: &dyn std::fmt::Display| {
        publisher.skip(key, written.unsigned_abs(), why);
        None
    };
    // Read here and not through the node's own memory of it: the error is wanted.
    let entry = match read(&found.data) {
        Ok(entry) => entry,
        Err(error) => return skip(&error),
    };
    let plain = entry.form == Form::Plain;
    if !plain && !names(name, entry.instance.id()) {
        return skip(&"the id in the value is not the one in the node's name");
    }
    publisher.unskip(key);
    Some(Made { instance: Arc::new(entry.instance), plain, written })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::StalenessPolicy;
    use std::time::Duration;

    struct Fixture {
        publisher: Publisher,
        view: View,
        written: i64,
    }

    impl Fixture {
        fn new() -> Self {
            let publisher = Publisher::new(StalenessPolicy::default(), Duration::from_secs(10));
            Self { publisher, view: View::new("/services/book"), written: 1 }
        }

        /// What the nodes change, as `+id` and `-id`.
        fn take_up(&mut self, nodes: &[(&str, Option<&str>)]) -> String {
            let nodes = nodes.iter().map(|(name, data)| {
                self.written += 1;
                let mut stat = stat();
                stat.mzxid = self.written;
                ((*name).to_owned(), data.map(|data| Found::new(data.into(), stat)))
            });
            let nodes = nodes.collect();
            let changes = self.view.take_up(&self.publisher, nodes);
            let shown = changes.iter().map(|change| match change {
                Change::Put(instance) => format!("+{}", instance.id()),
                Change::Remove(id) => format!("-{id}"),
                _ => unreachable!(),
            });
            shown.collect::<Vec<_>>().join(" ")
        }
    }

    fn stat() -> zookeeper_client::Stat {
        zookeeper_client::Stat {
            czxid: 0,
            mzxid: 0,
            ctime: 0,
            mtime: 0,
            version: 0,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: 0,
            data_length: 0,
            num_children: 0,
            pzxid: 0,
        }
    }

    #[test]
    fn several_nodes_of_one_address_are_one_instance_until_the_last_is_gone() {
        let mut f = Fixture::new();
        assert_eq!(f.take_up(&[("_c_1-0000000001", Some("h:1")), ("_c_2-0000000002", Some("h:1"))]), "+h:1");
        assert_eq!(f.take_up(&[("_c_1-0000000001", None)]), "+h:1");
        assert_eq!(f.view.instances().count(), 1);
        assert_eq!(f.take_up(&[("_c_2-0000000002", None)]), "-h:1");
        assert!(!f.view.has("/services/book/_c_2-0000000002"));
    }

    #[test]
    fn a_node_whose_address_changes_moves_to_another_instance() {
        let mut f = Fixture::new();
        f.take_up(&[("node1", Some("h:1"))]);
        assert_eq!(f.take_up(&[("node1", Some("h:2"))]), "-h:1 +h:2");
    }

    #[test]
    fn ours_and_curators_come_before_plain_whichever_is_newer() {
        for first in [r#"{"v":1,"id":"h:1","address":"h:1","weight":7}"#, r#"{"id":"h:1","address":"h","port":1}"#] {
            let mut f = Fixture::new();
            f.take_up(&[("h:1", Some(first)), ("x", Some("h:2"))]);
            assert_eq!(f.take_up(&[("y", Some("h:1"))]), "+h:1");
            let weight = f.view.instances().find(|i| i.id() == "h:1").unwrap().weight();
            assert_eq!(weight, if first.contains("weight") { 7 } else { 1 });
        }
    }

    #[test]
    fn what_cannot_be_read_is_counted_until_it_can_or_is_gone() {
        let mut f = Fixture::new();
        let other_id = r#"{"v":1,"id":"other","address":"h:1"}"#;
        assert_eq!(f.take_up(&[("a", Some("{")), ("b", Some(other_id)), ("c", Some(""))]), "");
        assert_eq!(f.publisher.current().skipped(), 3);
        assert_eq!(f.take_up(&[("a", Some("h:1")), ("b", None)]), "+h:1");
        assert_eq!(f.publisher.current().skipped(), 1);
        assert_eq!(f.take_up(&[("a", Some("{"))]), "-h:1");
        assert_eq!(f.publisher.current().skipped(), 2);
        assert!(f.view.has("/services/book/a") && f.view.has("/services/book/c") && !f.view.has("/services/book/b"));
    }

    #[test]
    fn an_id_stands_encoded_in_the_name_or_as_it_is() {
        let mut f = Fixture::new();
        let value = r#"{"v":1,"id":"50%","address":"h:1"}"#;
        assert_eq!(f.take_up(&[("50%25", Some(value))]), "+50%");
        assert_eq!(f.take_up(&[("50%", Some(value))]), "+50%");
    }
}
