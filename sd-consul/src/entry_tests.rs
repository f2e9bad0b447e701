//! What instances an answer makes.

use super::*;
use serde_json::{Value, json};

fn entry(id: &str, node: &str, service: Value, checks: &[(&str, &str)]) -> Value {
    let mut all = json!({
        "ID": id, "Service": "book", "Tags": null, "Address": "", "Port": 80, "Meta": null,
        "Weights": { "Passing": 1, "Warning": 1 }, "CreateIndex": 5, "ModifyIndex": 6,
    });
    for (key, value) in service.as_object().unwrap() {
        all[key] = value.clone();
    }
    let checks: Vec<_> = checks.iter().map(|(id, status)| json!({ "CheckID": id, "Status": status })).collect();
    json!({ "Node": { "Node": node, "Address": "10.0.0.9" }, "Service": all, "Checks": checks })
}

fn read(entries: &[Value]) -> Listing {
    Listing::read("book", &[], Value::from(entries).to_string().as_bytes()).unwrap()
}

fn one(service: Value, checks: &[(&str, &str)]) -> Instance {
    let listing = read(&[entry("book:a", "n", service, checks)]);
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    (*listing.found.values().next().unwrap().instance).clone()
}

fn ours(meta: Value) -> Value {
    let mut meta = meta;
    meta["sd-owner"] = json!("me");
    json!({ "Address": "h", "Meta": meta })
}

#[test]
fn what_a_go_program_registered_is_an_instance_at_its_address() {
    let service = json!({ "Address": "127.0.0.1", "Port": 8080, "Tags": ["a", "b"], "Meta": { "version": "1" } });
    let listing = read(&[entry("book-127.0.0.1-8080", "n", service, &[("service:x", "passing")])]);
    let found = &listing.found["127.0.0.1:8080"];
    assert_eq!((found.instance.id(), found.node.as_str()), ("127.0.0.1:8080", "n"));
    assert_eq!(found.instance.tags().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found.instance.metadata()["version"], "1");
}

#[test]
fn an_address_left_out_is_the_nodes_and_one_of_six_bytes_gets_its_brackets() {
    assert_eq!(one(json!({}), &[]).address().to_string(), "10.0.0.9:80");
    assert_eq!(one(json!({ "Address": "::1" }), &[]).address().to_string(), "[::1]:80");
    assert_eq!(one(json!({ "Address": "book.example" }), &[]).id(), "book.example:80");
}

#[test]
fn checks_say_what_an_instance_is_worth() {
    let weights = json!({ "Weights": { "Passing": 9, "Warning": 3 } });
    for (checks, health, weight) in [
        (&[][..], Health::Up, 9),
        (&[("serfHealth", "passing"), ("a", "passing")], Health::Up, 9),
        (&[("a", "passing"), ("b", "warning")], Health::Up, 3),
        (&[("a", "warning"), ("serfHealth", "critical")], Health::Down, 9),
        (&[("a", "unheard of")], Health::Down, 9),
        (&[("a", "passing"), ("_service_maintenance:book:a", "critical")], Health::Draining, 9),
        (&[("a", "critical"), ("_node_maintenance", "critical")], Health::Draining, 9),
    ] {
        let instance = one(weights.clone(), checks);
        assert_eq!((instance.health(), instance.weight()), (health, weight), "{checks:?}");
    }
}

#[test]
fn what_ours_say_of_themselves_counts_beside_their_checks() {
    let with = |word: &str, checks: &[(&str, &str)]| one(ours(json!({ "sd-health": word })), checks).health();
    assert_eq!(with("draining", &[("a", "passing")]), Health::Draining);
    assert_eq!(with("draining", &[("a", "critical")]), Health::Down);
    assert_eq!(with("down", &[("a", "passing")]), Health::Down);
    assert_eq!(with("down", &[("_service_maintenance:x", "critical")]), Health::Down);
    assert_eq!(with("a later word", &[("a", "passing")]), Health::Down);
    assert_eq!(one(ours(json!({ "sd-weight": "0" })), &[]).weight(), 0);
}

#[test]
fn our_words_in_others_metadata_mean_nothing() {
    let instance = one(json!({ "Meta": { "sd-health": "down", "sd-weight": "0", "sd-address": "x:1" } }), &[]);
    assert_eq!((instance.health(), instance.weight(), instance.id()), (Health::Up, 1, "10.0.0.9:80"));
    assert_eq!(instance.metadata()["sd-health"], "down");
}

#[test]
fn of_two_with_one_id_ours_stands_then_one_that_works_then_the_newer() {
    let at =
        |id: &str, meta: Value, create: u64| json!({ "ID": id, "Meta": meta, "CreateIndex": create, "Address": "h" });
    let plain = |create: u64| at("x", json!({ "who": create.to_string() }), create);
    let who = |entries: &[Value]| {
        let listing = read(entries);
        assert_eq!(listing.found.len(), 1);
        listing.found["h:80"].instance.metadata().get("who").cloned()
    };
    let (older, newer) = (entry("x", "n1", plain(5), &[]), entry("y", "n2", plain(6), &[]));
    assert_eq!(who(&[older.clone(), newer.clone()]).as_deref(), Some("6"));
    assert_eq!(who(&[newer.clone(), older.clone()]).as_deref(), Some("6"));
    let failing = entry("z", "n3", plain(9), &[("a", "critical")]);
    assert_eq!(who(&[older.clone(), failing]).as_deref(), Some("5"));
    let own = entry("book:h:80", "n4", at("book:h:80", json!({ "sd-owner": "me", "who": "ours" }), 1), &[]);
    assert_eq!(who(&[own, newer]).as_deref(), Some("ours"));
}

#[test]
fn what_can_not_be_read_is_counted_and_does_not_fail_the_list() {
    let listing = read(&[
        entry("bad", "n", json!({ "Port": 0 }), &[]),
        entry("book:worse", "n", ours(json!({ "sd-more-0": "{" })), &[]),
        entry("odd", "n", json!({ "Address": "not a host" }), &[]),
        entry("good", "n", json!({}), &[]),
    ]);
    assert_eq!(listing.found.len(), 1);
    let keys: Vec<_> = listing.unreadable.iter().map(|(key, index, _)| (key.as_str(), *index)).collect();
    assert_eq!(keys, [("n/bad", 6), ("n/book:worse", 6), ("n/odd", 6)]);
}

#[test]
fn all_tags_must_be_there() {
    let entries = [
        entry("x", "n", json!({ "Tags": ["a", "b"] }), &[]),
        entry("y", "n", json!({ "Tags": ["a"], "Port": 81 }), &[]),
    ];
    let text = Value::from(&entries[..]).to_string();
    let count = |tags: &[&str]| {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Listing::read("book", &tags, text.as_bytes()).unwrap().found.len()
    };
    assert_eq!((count(&[]), count(&["a"]), count(&["a", "b"]), count(&["c"])), (2, 2, 1, 0));
}

#[test]
fn text_is_borrowed_from_the_answer() {
    let text = Value::from(vec![entry("x", "n", json!({ "Meta": { "k": "v" }, "Tags": ["t"] }), &[])]).to_string();
    let entries: Vec<Entry<'_>> = serde_json::from_str(&text).unwrap();
    let borrowed = |text: &Text<'_>| matches!(text.0, Cow::Borrowed(_));
    let service = &entries[0].service;
    assert!(borrowed(&service.id) && borrowed(&service.tags.as_ref().unwrap()[0]));
    assert!(service.meta.as_ref().unwrap().iter().all(|(key, value)| borrowed(key) && borrowed(value)));
}

#[test]
fn what_is_no_list_is_an_error() {
    for text in ["", "{}", "[{}]", "[] []", "[{\"Node\":"] {
        Listing::read("book", &[], text.as_bytes()).unwrap_err();
    }
    assert!(Listing::read("book", &[], b"[]").unwrap().node.is_none());
}
