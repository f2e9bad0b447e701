//! Which keys of a service there are, and which instances they make.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sd_core::{Change, Codec, Instance, Publisher, ServiceName};

use crate::feed::Event;
use crate::layout::{Key, Layout};

/// Which keys of a service there are, as of one revision, and which instances they make.
///
/// Several keys may make one instance: a Go program that restarts leaves its old key behind for a TTL, and both hold the
/// same address. The instance stands while one of them does. A json entry comes before plain ones, then the newer one.
#[derive(Debug, Default)]
pub(crate) struct View {
    keys: HashMap<Arc<[u8]>, Entry>,
    /// The keys of each instance, by its id.
    ids: HashMap<Arc<str>, Vec<Arc<[u8]>>>,
}

#[derive(Debug)]
struct Entry {
    revision: i64,
    /// `None` where the key makes no instance.
    makes: Option<Made>,
}

#[derive(Debug)]
struct Made {
    instance: Arc<Instance>,
    json: bool,
}

/// What the registry must hold if this view is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) keys: usize,
    /// The key that was written last, and when.
    pub(crate) newest: Option<(Vec<u8>, i64)>,
}

/// A service and the way its keys are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) service: &'a ServiceName,
    /// Where what can't be read is counted.
    pub(crate) publisher: &'a Publisher,
}

impl View {
    /// Takes up one key as it was read, without telling what that changes.
    pub(crate) fn load(&mut self, reading: Reading<'_>, key: Vec<u8>, value: &[u8], revision: i64) {
        self.put(reading, key, value, revision);
    }

    /// Every instance, once.
    pub(crate) fn instances(&self) -> impl Iterator<Item = Arc<Instance>> + '_ {
        self.ids.keys().filter_map(|id| self.winner(id).cloned())
    }

    /// Takes up what happened, and says what it changes.
    pub(crate) fn apply(&mut self, reading: Reading<'_>, events: Vec<Event>) -> Vec<Change> {
        let mut touched = Vec::new();
        let mut seen = HashSet::new();
        for event in events {
            let ids = match event.value {
                Some(value) => self.put(reading, event.key, &value, event.revision),
                None => [self.delete(reading, &event.key), None],
            };
            touched.extend(ids.into_iter().flatten().filter(|id| seen.insert(Arc::clone(id))));
        }
        let change = |id: Arc<str>| match self.winner(&id) {
            Some(instance) => Change::Put(Arc::clone(instance)),
            None => Change::Remove(id),
        };
        touched.into_iter().map(change).collect()
    }

    /// Whether the key is known, readable or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key.as_bytes())
    }

    /// What the registry must hold if this view is right.
    pub(crate) fn expected(&self) -> Expected {
        let newest = self.keys.iter().max_by_key(|(_, entry)| entry.revision);
        Expected { keys: self.keys.len(), newest: newest.map(|(key, entry)| (key.to_vec(), entry.revision)) }
    }

    /// Takes up a key; the ids that this touches.
    fn put(&mut self, reading: Reading<'_>, key: Vec<u8>, value: &[u8], revision: i64) -> [Option<Arc<str>>; 2] {
        let makes = read(reading, &key, value, revision);
        let key: Arc<[u8]> = key.into();
        let before = self.forget(&key);
        let after = makes.as_ref().map(|made| {
            let id = match self.ids.get_key_value(made.instance.id()) {
                Some((id, _)) => Arc::clone(id),
                None => Arc::from(made.instance.id()),
            };
            self.ids.entry(Arc::clone(&id)).or_default().push(Arc::clone(&key));
            id
        });
        self.keys.insert(key, Entry { revision, makes });
        [before, after]
    }

    fn delete(&mut self, reading: Reading<'_>, key: &[u8]) -> Option<Arc<str>> {
        reading.publisher.unskip(&String::from_utf8_lossy(key));
        self.forget(key)
    }

    /// Takes a key out; the id that it made.
    fn forget(&mut self, key: &[u8]) -> Option<Arc<str>> {
        let made = self.keys.remove(key)?.makes?;
        let (id, mut keys) = self.ids.remove_entry(made.instance.id())?;
        keys.retain(|kept| **kept != *key);
        if !keys.is_empty() {
            self.ids.insert(Arc::clone(&id), keys);
        }
        Some(id)
    }

    /// The instance that stands for an id.
    fn winner(&self, id: &str) -> Option<&Arc<Instance>> {
        let entries = self.ids.get(id)?.iter().filter_map(|key| self.keys.get(key));
        let made = entries.filter_map(|entry| Some((entry.makes.as_ref()?, entry.revision)));
        made.max_by_key(|(made, revision)| (made.json, *revision)).map(|(made, _)| &made.instance)
    }
}

/// The instance that a key makes; counts what can't be read.
fn read(reading: Reading<'_>, key: &[u8], value: &[u8], revision: i64) -> Option<Made> {
    let id = match reading.layout.id(reading.service, key) {
        Key::Of(id) => id,
        Key::Foreign => return None,
        Key::Misfit(why) => return skip(reading, key, revision, &why),
    };
    let entry = match Codec::decode(value) {
        Ok(entry) => entry,
        Err(error) => return skip(reading, key, revision, &error),
    };
    let json = entry.codec == Codec::Json;
    if json && entry.instance.id() != id {
        return skip(reading, key, revision, &"the id in the value is not the one in the key");
    }
    reading.publisher.unskip(&String::from_utf8_lossy(key));
    Some(Made { instance: Arc::new(entry.instance), json })
}

fn skip(reading: Reading<'_>, key: &[u8], revision: i64, why: &dyn std::fmt::Display) -> Option<Made> {
    reading.publisher.skip(&String::from_utf8_lossy(key), revision.unsigned_abs(), why);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::StalenessPolicy;
    use std::time::Duration;

    struct Fixture {
        layout: Layout,
        service: ServiceName,
        publisher: Publisher,
        view: View,
        revision: i64,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                layout: Layout::new(None, None).unwrap(),
                service: "book".parse().unwrap(),
                publisher: Publisher::new(StalenessPolicy::default(), Duration::from_secs(10)),
                view: View::default(),
                revision: 1,
            }
        }

        fn event(&mut self, key: &str, value: Option<&str>) -> Event {
            self.revision += 1;
            Event {
                key: format!("/services/book/{key}").into_bytes(),
                value: value.map(|value| value.as_bytes().to_vec()),
                revision: self.revision,
                created: false,
            }
        }

        /// What the events change, as `+id` and `-id`.
        fn apply(&mut self, events: &[(&str, Option<&str>)]) -> String {
            let events = events.iter().map(|(key, value)| self.event(key, *value)).collect();
            let reading = Reading { layout: &self.layout, service: &self.service, publisher: &self.publisher };
            let changes = self.view.apply(reading, events);
            let shown = changes.iter().map(|change| match change {
                Change::Put(instance) => format!("+{}", instance.id()),
                Change::Remove(id) => format!("-{id}"),
                _ => unreachable!(),
            });
            shown.collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn several_keys_of_one_address_are_one_instance_until_the_last_is_gone() {
        let mut f = Fixture::new();
        assert_eq!(f.apply(&[("node1", Some("h:1")), ("node2", Some("h:1"))]), "+h:1");
        assert_eq!(f.apply(&[("node1", None)]), "+h:1");
        assert_eq!(f.view.instances().count(), 1);
        assert_eq!(f.apply(&[("node2", None)]), "-h:1");
        assert_eq!(f.view.expected(), Expected { keys: 0, newest: None });
    }

    #[test]
    fn a_key_whose_address_changes_moves_to_another_instance() {
        let mut f = Fixture::new();
        f.apply(&[("node1", Some("h:1"))]);
        assert_eq!(f.apply(&[("node1", Some("h:2"))]), "-h:1 +h:2");
    }

    #[test]
    fn json_comes_before_plain_whichever_is_newer() {
        let mut f = Fixture::new();
        let json = r#"{"v":1,"id":"h:1","address":"h:1","weight":7}"#;
        f.apply(&[("h:1", Some(json)), ("x", Some("h:1"))]);
        assert_eq!(f.view.instances().next().unwrap().weight(), 7);
        f.apply(&[("h:1", None)]);
        assert_eq!(f.view.instances().next().unwrap().weight(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_counted_until_it_can_or_is_gone() {
        let mut f = Fixture::new();
        let other_id = r#"{"v":1,"id":"other","address":"h:1"}"#;
        assert_eq!(f.apply(&[("a", Some("{")), ("b", Some(other_id)), ("", Some("h:3")), ("c/d", Some("h:4"))]), "");
        assert_eq!(f.publisher.current().skipped(), 4);
        assert_eq!(f.apply(&[("a", Some("h:1")), ("b", None)]), "+h:1");
        assert_eq!(f.publisher.current().skipped(), 2);
        assert_eq!(f.apply(&[("a", Some("{"))]), "-h:1");
        assert_eq!(f.publisher.current().skipped(), 3);
        assert_eq!(f.view.expected().keys, 3);
    }

    #[test]
    fn put_and_delete_in_one_batch_leave_nothing() {
        let mut f = Fixture::new();
        assert_eq!(f.apply(&[("a", Some("h:1")), ("a", None)]), "-h:1");
    }
}
