//! What a watch makes of events, also of those that a centre of ours rarely sends.

use sd_core::{Address, Basis, Cursor, ErrorKind, Instance, Owner, Publisher, Record, Snapshot, StalenessPolicy};
use tokio::time::Instant;

use super::*;

struct Fixture {
    service: ServiceName,
    publisher: Publisher,
    holdings: Holdings,
}

impl Fixture {
    fn new() -> Self {
        let publisher = Publisher::new(StalenessPolicy::default(), std::time::Duration::from_secs(10));
        Self { service: "book".parse().unwrap(), publisher, holdings: Holdings::default() }
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.service, &self.publisher, &self.holdings, self.publisher.cursor().is_some())
    }

    fn snapshot(&self) -> Snapshot {
        self.publisher.subscribe().snapshot()
    }

    fn ids(&self) -> Vec<String> {
        self.snapshot().iter().map(|instance| instance.id().to_owned()).collect()
    }
}

fn event(name: &str, revision: Option<u64>, data: &str) -> Event {
    let id = revision.map(|revision| format!("00000000000000ab-{revision}"));
    Event { name: name.to_owned(), id, data: data.as_bytes().to_vec() }
}

fn entry(id: &str, revision: u64, owner: &str) -> String {
    format!(
        r#"{{"service":"book","revision":{revision},"ttl_ms":10000,"instance":{{"v":1,"id":"{id}","address":"127.0.0.1:1","owner":"{owner}"}}}}"#
    )
}

fn unreadable(id: &str, revision: u64) -> String {
    format!(r#"{{"service":"book","revision":{revision},"instance":{{"v":9,"id":"{id}","somewhere":"else"}}}}"#)
}

fn part(entries: &[String], more: bool, revision: u64) -> Event {
    let data = format!(
        r#"{{"epoch":"00000000000000ab","revision":{revision},"instances":[{}],"more":{more}}}"#,
        entries.join(",")
    );
    event("snapshot", (!more).then_some(revision), &data)
}

fn put(id: &str, revision: u64) -> Event {
    event("put", Some(revision), &entry(id, revision, "o"))
}

fn remove(id: &str, revision: u64) -> Event {
    let data = format!(r#"{{"service":"book","id":"{id}","revision":{revision},"reason":"expired"}}"#);
    event("remove", Some(revision), &data)
}

#[tokio::test]
async fn a_snapshot_is_published_once_it_is_whole_and_changes_follow() {
    let fixture = Fixture::new();
    let mut reader = fixture.reader();
    reader.take(&[part(&[entry("a", 1, "o"), entry("b", 2, "o")], true, 5)]).unwrap();
    assert!(fixture.snapshot().freshness().is_pending());
    assert_eq!(fixture.publisher.cursor(), None);
    reader.take(&[part(&[entry("c", 5, "o")], false, 5), put("d", 6), remove("a", 7)]).unwrap();
    assert_eq!(fixture.ids(), ["b", "c", "d"]);
    assert_eq!(fixture.publisher.cursor(), Some(Cursor { position: 7, epoch: 0xab }));
    reader.take(&[event("heartbeat", Some(9), r#"{"revision":9}"#), event("of-tomorrow", None, "what?")]).unwrap();
    assert_eq!(fixture.publisher.cursor(), Some(Cursor { position: 9, epoch: 0xab }));
    // Too slow for the history kept: what is sent whole replaces what was known.
    reader.take(&[part(&[entry("z", 20, "o")], false, 20)]).unwrap();
    assert_eq!(fixture.ids(), ["z"]);
}

#[tokio::test]
async fn a_session_goes_on_only_where_one_has_stood() {
    let fixture = Fixture::new();
    let resumed = event("resumed", Some(5), r#"{"epoch":"00000000000000ab","revision":5}"#);
    assert_eq!(fixture.reader().take(std::slice::from_ref(&resumed)).unwrap_err().kind(), ErrorKind::Protocol);
    assert!(fixture.snapshot().freshness().is_pending());
    fixture.reader().take(&[part(&[entry("a", 1, "o")], false, 5)]).unwrap();
    fixture.publisher.fail(Error::unavailable("x"));
    fixture.reader().take(&[resumed, put("b", 6)]).unwrap();
    assert_eq!(fixture.ids(), ["a", "b"]);
    assert!(fixture.snapshot().freshness().is_live());
}

#[tokio::test]
async fn a_session_that_breaks_within_a_snapshot_leaves_all_as_it_was() {
    let fixture = Fixture::new();
    fixture.reader().take(&[part(&[entry("a", 1, "o")], false, 5)]).unwrap();
    fixture.reader().take(&[part(&[entry("b", 6, "o")], true, 7)]).unwrap();
    assert_eq!(fixture.ids(), ["a"]);
    assert_eq!(fixture.publisher.cursor(), Some(Cursor { position: 5, epoch: 0xab }));
}

#[tokio::test]
async fn what_makes_no_sense_ends_the_session_and_takes_nothing_back() {
    for bad in [
        event("put", Some(7), "{"),
        event("remove", Some(7), "{}"),
        event("snapshot", Some(7), r#"{"instances":{}}"#),
        Event { id: Some("7".to_owned()), ..put("c", 7) },
    ] {
        let fixture = Fixture::new();
        let mut reader = fixture.reader();
        reader.take(&[part(&[entry("a", 1, "o")], false, 5)]).unwrap();
        let error = reader.take(&[put("b", 6), bad]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(fixture.ids().starts_with(&["a".to_owned(), "b".to_owned()]));
        assert_eq!(fixture.publisher.cursor(), Some(Cursor { position: 6, epoch: 0xab }));
    }
    let fixture = Fixture::new();
    assert!(fixture.reader().take(&[put("a", 6)]).is_err(), "a change of nothing");
}

#[tokio::test]
async fn kratos_one_bad_value_does_not_fail_the_list() {
    let fixture = Fixture::new();
    let mut reader = fixture.reader();
    reader.take(&[part(&[entry("a", 1, "o"), unreadable("b", 2), unreadable("c", 2)], false, 5)]).unwrap();
    assert_eq!((fixture.ids(), fixture.snapshot().skipped()), (vec!["a".to_owned()], 2));
    reader.take(&[event("put", Some(6), &unreadable("a", 6)), put("b", 7), remove("c", 8)]).unwrap();
    assert_eq!((fixture.ids(), fixture.snapshot().skipped()), (vec!["b".to_owned()], 1));
    reader.take(&[part(&[entry("b", 7, "o")], false, 9)]).unwrap();
    assert_eq!(fixture.snapshot().skipped(), 0);
}

#[tokio::test]
async fn a_front_that_lost_its_registry_makes_the_set_stale_and_not_empty() {
    let fixture = Fixture::new();
    let mut reader = fixture.reader();
    let stale = || event("stale", None, r#"{"error":"etcd is gone"}"#);
    reader.take(&[stale()]).unwrap();
    let unknown = fixture.snapshot();
    assert!(unknown.freshness().is_pending() && *unknown.basis() == Basis::Unknown, "{unknown:?}");
    reader.take(&[part(&[entry("a", 1, "o")], false, 5)]).unwrap();
    assert!(fixture.snapshot().freshness().is_live());
    reader.take(&[stale(), put("b", 6)]).unwrap();
    let old = fixture.snapshot();
    assert!(old.freshness().is_stale() && old.len() == 2, "{old:?}");
    let cause = std::error::Error::source(old.freshness().error().unwrap()).unwrap().to_string();
    assert_eq!(cause, "etcd is gone");
    reader.take(&[event("live", None, "{}")]).unwrap();
    assert!(fixture.snapshot().freshness().is_live() && fixture.ids() == ["a", "b"]);
    let data =
        format!(r#"{{"instances":[{}],"more":false,"stale":{{"for_ms":5,"error":"again"}}}}"#, entry("a", 1, "o"));
    reader.take(&[event("snapshot", Some(9), &data)]).unwrap();
    assert!(fixture.snapshot().freshness().is_stale() && fixture.ids() == ["a"]);
}

#[tokio::test]
async fn what_stands_in_place_of_ours_is_asked_about() {
    let fixture = Fixture::new();
    let instance = Instance::new("127.0.0.1:1".parse::<Address>().unwrap()).with_id("a");
    let record = Record::new(fixture.service.clone(), Arc::new(instance), Owner::from_text("ours"));
    fixture.holdings.intend(&record);
    fixture.holdings.written(&record, 5, Instant::now());
    let doubted = || fixture.holdings.to_verify().len();
    let mut reader = fixture.reader();
    reader.take(&[part(&[entry("a", 5, "ours"), entry("b", 9, "theirs")], false, 9)]).unwrap();
    assert_eq!(doubted(), 0);
    // What had stood there before ours, seen late.
    reader.take(&[event("put", Some(10), &entry("a", 4, "theirs"))]).unwrap();
    assert_eq!(doubted(), 0);
    reader.take(&[event("put", Some(11), &entry("a", 11, "theirs"))]).unwrap();
    assert_eq!(doubted(), 1);
    reader.take(&[remove("a", 12)]).unwrap();
    assert_eq!(doubted(), 1);
}
