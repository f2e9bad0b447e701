//! What stands in Consul for an instance.

use super::*;
use crate::config::CheckKind;
use sd_core::Address;
use std::sync::Arc;
use std::time::Duration;

fn layout(kind: CheckKind) -> Layout {
    let check = CheckSettings { kind, ..CheckSettings::default() };
    Layout { check, ttl: Duration::from_secs(10), warning_weight: 1 }
}

fn instance(address: &str) -> Instance {
    Instance::new(address.parse::<Address>().unwrap())
}

fn definition(kind: CheckKind, instance: Instance) -> Result<Definition, Error> {
    let record = Record::new("book".parse().unwrap(), Arc::new(instance), Owner::from_text("me"));
    layout(kind).definition(&record)
}

#[test]
fn what_consul_has_a_place_for_stands_there() {
    let given = instance("[::1]:80").with_id("a b").with_weight(7).with_tag("v1").with_metadata("commit", "4f3a");
    let made = definition(CheckKind::Ttl, given).unwrap();
    assert_eq!((made.id.as_str(), made.service.as_str()), ("book:a b", "book"));
    assert_eq!((made.address.as_str(), made.port), ("::1", 80));
    assert_eq!(made.tags, ["v1"]);
    assert_eq!(made.weights, Weights { passing: 7, warning: 1 });
    let meta: Vec<_> = made.meta.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(meta, [("commit", "4f3a"), ("sd-owner", "me")]);
    assert_eq!((made.check.id.as_str(), made.check.initial), ("service:book:a b:me", Status::Passing));
}

#[test]
fn what_it_has_no_place_for_stands_in_the_metadata() {
    let given = instance("http://h/api").with_weight(0).with_zone("eu-1").with_health(Health::Down).with_port("m", 9);
    let made = definition(CheckKind::Ttl, given.with_metadata("sd-owner", "x").with_metadata("a b", "y")).unwrap();
    assert_eq!((made.address.as_str(), made.port, made.weights.passing), ("h", 80, 1));
    for (key, value) in
        [("sd-address", "http://h/api"), ("sd-weight", "0"), ("sd-zone", "eu-1"), ("sd-health", "down"), (OWNER, "me")]
    {
        assert_eq!(made.meta.get(key).map(String::as_str), Some(value), "{key}");
    }
    let more = r#"{"metadata":{"a b":"y","sd-owner":"x"},"ports":{"m":9}}"#;
    assert_eq!(made.meta.get("sd-more-0").map(String::as_str), Some(more));
}

#[test]
fn many_pairs_are_folded_and_too_many_are_refused_with_the_reason() {
    let with = |pairs: usize, size: usize| {
        (0..pairs).fold(instance("h:1"), |instance, n| instance.with_metadata(format!("k{n}"), "x".repeat(size)))
    };
    let made = definition(CheckKind::Ttl, with(63, 512)).unwrap();
    assert_eq!((made.meta.len(), made.meta.contains_key("k62")), (64, true));
    let made = definition(CheckKind::Ttl, with(300, 50)).unwrap();
    assert!(made.meta.len() <= 64 && !made.meta.contains_key("k0"));
    let error = definition(CheckKind::Ttl, with(64, 512)).unwrap_err();
    assert!(error.to_string().contains("64 pairs of 512 bytes"), "{error}");
}

#[test]
fn an_address_that_consul_refuses_is_refused_before_anything_is_sent() {
    for address in ["0.0.0.0:80", "[::]:80"] {
        let error = definition(CheckKind::Ttl, instance(address)).unwrap_err();
        assert!(error.to_string().contains(address), "{error}");
    }
}

#[test]
fn a_check_that_consul_runs_begins_as_consul_has_it() {
    let made = definition(CheckKind::Http, instance("h:1")).unwrap();
    assert_eq!(made.check.initial, Status::Critical);
    assert!(matches!(made.check.probe, crate::definition::Probe::Http { url, .. } if url == "http://h:1/"));
}

#[test]
fn an_id_of_ours_is_told_from_consuls() {
    assert_eq!(instance_id("book", "book:127.0.0.1:80"), Some("127.0.0.1:80"));
    assert_eq!(instance_id("book", "book-127.0.0.1-80"), None);
    assert_eq!(instance_id("book", "book:"), None);
    assert_eq!(instance_id("book", "bookstore:1"), None);
}
