//! Watches: snapshots, changes, resuming, heartbeats, slow readers, churn.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_registry::Registry;
use serde_json::{Value, json};

use crate::common::{Http, Known, centre, id_of, spawn};

#[tokio::test]
async fn a_watch_begins_with_a_snapshot_and_goes_on_with_changes() {
    let (_centre, http) = centre().await;
    http.register("book", "a", "one").await;
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    let first = watch.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["more"]), ("snapshot", &json!(false)));
    assert_eq!(first.data["instances"].as_array().unwrap().len(), 1);
    let id = format!("{}-{}", first.data["epoch"].as_str().unwrap(), first.data["revision"]);
    assert_eq!(first.id.as_deref(), Some(id.as_str()));
    http.register("other", "z", "one").await;
    let registered = http.register("book", "b", "two").await;
    let put = watch.news().await.unwrap();
    assert_eq!((put.name.as_str(), id_of(&put.data)), ("put", "b"), "other services are not told of");
    assert_eq!(put.data["revision"], registered["revision"]);
    assert_eq!(put.data["instance"]["owner"], "two");
    http.post("/v1/deregister", &json!({"service": "book", "id": "a"})).await;
    let remove = watch.news().await.unwrap();
    assert_eq!((remove.name.as_str(), &remove.data["id"]), ("remove", &json!("a")));
    assert_eq!(remove.data["reason"], "deregistered");
}

#[tokio::test]
async fn an_entry_that_is_not_renewed_goes_within_a_second_of_its_ttl() {
    let (_centre, http) = centre().await;
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    watch.next().await.unwrap();
    let mut body = crate::common::registration("book", "a", "one");
    body["ttl_ms"] = 1_000.into();
    http.post("/v1/register", &body).await;
    assert_eq!(watch.news().await.unwrap().name, "put");
    let started = tokio::time::Instant::now();
    let remove = watch.news().await.unwrap();
    let took = started.elapsed();
    assert_eq!((remove.name.as_str(), &remove.data["reason"]), ("remove", &json!("expired")));
    assert!(took > Duration::from_millis(700), "{took:?}");
}

#[tokio::test]
async fn a_watch_resumes_where_it_was_and_not_elsewhere() {
    let (_centre, http) = centre().await;
    http.register("book", "a", "one").await;
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    let at = watch.next().await.unwrap().id.unwrap();
    drop(watch);
    http.register("book", "b", "one").await;
    http.post("/v1/deregister", &json!({"service": "book", "id": "a"})).await;
    let mut watch = http.watch("/v1/watch/services/book", Some(&at)).await;
    let first = watch.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.id.as_deref()), ("resumed", Some(at.as_str())));
    let names: Vec<_> = [watch.next().await, watch.next().await].into_iter().map(|event| event.unwrap().name).collect();
    assert_eq!(names, ["put", "remove"]);
    let (epoch, revision) = at.split_once('-').unwrap();
    let begins = async |path: String, id: Option<&str>| http.watch(&path, id).await.next().await.unwrap().name;
    assert_eq!(begins(format!("/v1/watch/services/book?epoch={epoch}&revision={revision}"), None).await, "resumed");
    assert_eq!(begins(format!("/v1/watch/services/book?revision={revision}"), None).await, "resumed");
    let another = format!("{:016x}-{revision}", u64::from_str_radix(epoch, 16).unwrap() ^ 1);
    assert_eq!(begins("/v1/watch/services/book".to_owned(), Some(&another)).await, "snapshot", "another epoch");
    let future = format!("{epoch}-999999");
    assert_eq!(begins("/v1/watch/services/book".to_owned(), Some(&future)).await, "snapshot", "yet to come");
}

#[tokio::test]
async fn all_instances_and_the_names_can_be_watched() {
    let (_centre, http) = centre().await;
    http.register("b", "1", "one").await;
    http.register("a", "1", "one").await;
    let mut all = http.watch("/v1/watch/instances", None).await;
    let mut names = http.watch("/v1/watch/services", None).await;
    let snapshot = all.next().await.unwrap().data;
    let services: Vec<_> =
        snapshot["instances"].as_array().unwrap().iter().map(|entry| entry["service"].clone()).collect();
    assert_eq!(services, ["a", "b"]);
    assert_eq!(names.next().await.unwrap().data["services"], json!(["a", "b"]));
    http.register("c", "1", "one").await;
    http.register("c", "2", "one").await;
    http.post("/v1/deregister", &json!({"service": "a", "id": "1"})).await;
    let told: Vec<_> = [names.news().await.unwrap(), names.news().await.unwrap()]
        .into_iter()
        .map(|event| (event.name, event.data["service"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(told, [("put".to_owned(), "c".to_owned()), ("remove".to_owned(), "a".to_owned())]);
    for expected in ["put", "put", "remove"] {
        assert_eq!(all.news().await.unwrap().name, expected);
    }
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts_and_only_the_last_can_be_resumed_from() {
    let (_centre, http) = centre().await;
    for n in 0..1_200 {
        http.register("book", &format!("i{n:04}"), "one").await;
    }
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    let mut seen = 0;
    loop {
        let part = watch.next().await.unwrap();
        assert_eq!(part.name, "snapshot");
        seen += part.data["instances"].as_array().unwrap().len();
        let more = part.data["more"].as_bool().unwrap();
        assert_eq!(part.id.is_none(), more);
        if !more {
            break;
        }
    }
    assert_eq!(seen, 1_200);
}

#[tokio::test]
async fn a_silent_watch_is_given_signs_of_life_from_which_it_can_resume() {
    let (_centre, http) = spawn(Registry::builder().heartbeat(Duration::from_millis(200))).await;
    http.register("book", "a", "one").await;
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    let first = watch.next().await.unwrap();
    for n in 0..200 {
        http.register("other", &format!("i{n}"), "one").await;
    }
    let newest = http.get("/v1/status").await.json()["revision"].as_u64().unwrap();
    let beat = loop {
        let event = watch.next().await.unwrap();
        assert_eq!(event.name, "heartbeat");
        if event.data["revision"] == newest {
            break event;
        }
    };
    assert_ne!(beat.id, first.id);
    let mut again = http.watch("/v1/watch/services/book", beat.id.as_deref()).await;
    assert_eq!(again.next().await.unwrap().name, "resumed");
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody_and_ends_with_the_truth() {
    let (_centre, http) = centre().await;
    let mut slow = http.watch("/v1/watch/services/book", None).await;
    let mut brisk = http.watch("/v1/watch/services/book", None).await;
    brisk.next().await.unwrap();
    let padding = "x".repeat(20_000);
    let mut body = crate::common::registration("book", "a", "one");
    body["instance"]["metadata"] = json!({ "padding": padding });
    // Far more than the sockets between the two can hold, so that the slow one's position falls out of the history.
    for round in 0..1_500 {
        body["instance"]["weight"] = (2 + round % 100).into();
        let answer = http.post("/v1/register", &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(brisk.news().await.unwrap().data["instance"]["weight"], 2 + round % 100);
    }
    let mut known = Known::default();
    let mut snapshots = 0;
    while known.instances.get("a").is_none_or(|instance| instance["weight"] != 101) || snapshots < 2 {
        let event = slow.next().await.unwrap();
        snapshots += usize::from(event.name == "snapshot");
        known.take(&event);
    }
    assert_eq!(snapshots, 2, "one at the beginning, and one for being too slow");
}

#[tokio::test]
async fn watches_end_when_the_centre_stops() {
    let (centre, http) = centre().await;
    let mut watch = http.watch("/v1/watch/instances", None).await;
    watch.next().await.unwrap();
    let (stopped, ended) = tokio::join!(centre.shutdown(), watch.next());
    stopped.unwrap();
    assert_eq!(ended, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_reconnect_under_churn_end_with_the_same_view_as_the_store() {
    const ROUNDS: u32 = 400;
    let (_centre, http) = spawn(Registry::builder().heartbeat(Duration::from_millis(100))).await;
    let readers: Vec<_> = (0..8_u32).map(|reader| tokio::spawn(follow(http.clone(), reader))).collect();
    let writers: Vec<_> = (0..4_u32).map(|writer| tokio::spawn(churn(http.clone(), writer, ROUNDS))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    http.register("book", "the last", "one").await;
    let truth: BTreeMap<String, Value> = http.get("/v1/services/book").await.json()["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (id_of(entry).to_owned(), entry["instance"].clone()))
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), truth);
    }
}

/// Reads until the last has come, breaking off every few events.
async fn follow(http: Http, reader: u32) -> BTreeMap<String, Value> {
    let mut known = Known::default();
    loop {
        let mut watch = http.watch("/v1/watch/services/book", known.at.as_deref()).await;
        // A snapshot that was broken off is read from its beginning.
        known.break_off();
        for _ in 0..(5 + reader * 3) {
            let Some(event) = watch.next().await else { break };
            known.take(&event);
            if known.instances.contains_key("the last") {
                return known.instances;
            }
        }
    }
}

async fn churn(http: Http, writer: u32, rounds: u32) {
    for round in 0..rounds {
        let id = format!("i{}", (round * 7 + writer) % 23);
        if round % 3 == 2 {
            http.post("/v1/deregister", &json!({"service": "book", "id": id, "owner": format!("w{writer}")})).await;
        } else {
            let mut body = crate::common::registration("book", &id, &format!("w{writer}"));
            body["instance"]["weight"] = round.into();
            assert!(http.post("/v1/register", &body).await.status.is_success());
        }
    }
}
