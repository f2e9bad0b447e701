//! Tests of the codecs.

use super::*;
use proptest::prelude::*;

fn instance(address: &str) -> Instance {
    Instance::new(address.parse::<Address>().unwrap())
}

fn full() -> Instance {
    instance("10.0.0.7:8080")
        .with_id("node 2%")
        .with_weight(3)
        .with_health(Health::Draining)
        .with_zone("eu-1")
        .with_tag("v1")
        .with_tag("blue")
        .with_metadata("commit", "4f3a")
        .with_port("metrics", 9090)
}

#[test]
fn golden_0_1_what_this_release_writes_is_read_by_every_later_one() {
    let owner = Owner::from_text("00000000000000ff");
    let written = Codec::Json.encode(&full(), Some(&owner), &UnknownFields::default()).unwrap();
    let golden = include_str!("../golden/0.1/full.json").trim_end();
    assert_eq!(std::str::from_utf8(&written).unwrap(), golden);
    let entry = Codec::decode(golden.as_bytes()).unwrap();
    assert_eq!((entry.instance, entry.owner), (full(), Some(owner)));

    let minimal = include_str!("../golden/0.1/minimal.json").trim_end();
    assert_eq!(Codec::Json.encode(&instance("[::1]:1"), None, &UnknownFields::default()).unwrap(), minimal.as_bytes());
    assert_eq!(Codec::decode(minimal.as_bytes()).unwrap().instance, instance("[::1]:1"));
}

#[test]
fn unknown_fields_are_written_back_and_an_unknown_health_is_not_picked() {
    let later = r#"{"v":9,"id":"a","address":"h:1","health":"resting","slow_start":{"seconds":30}}"#;
    let entry = Codec::decode(later.as_bytes()).unwrap();
    assert_eq!(entry.instance.health(), Health::Down);
    let again = Codec::Json.encode(&entry.instance, None, &entry.unknown).unwrap();
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(again["slow_start"]["seconds"], 30);
}

#[test]
fn what_go_programs_write_is_read_as_plain() {
    for (value, authority) in [
        ("127.0.0.1:50052", "127.0.0.1:50052"),
        ("localhost:8000", "localhost:8000"),
        ("remote_host:1234", "remote_host:1234"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
    ] {
        let entry = Codec::decode(value.as_bytes()).unwrap();
        assert_eq!((entry.codec, entry.instance.id()), (Codec::Plain, authority));
        assert_eq!(entry.instance.address().authority(), authority);
        assert_eq!(Codec::Plain.encode(&entry.instance, None, &UnknownFields::default()).unwrap(), value.as_bytes());
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let huge = vec![b'x'; 2 << 20];
    for (value, why) in [
        (&b"\xff\xfe"[..], "not UTF-8"),
        (b"", "neither JSON nor an address"),
        (b"{}", "not an instance"),
        (br#"{"v":1,"id":"","address":"h:1"}"#, "no valid instance"),
        (br#"{"v":1,"id":"a","address":"h"}"#, "no valid instance"),
        (br#"{"v":1,"id":"a","address":"h:0"}"#, "no valid instance"),
        (b"h:0", "can't be called"),
        (huge.as_slice(), "2097152 bytes"),
    ] {
        let error = Codec::decode(value).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_value_over_the_limit_is_refused_before_anything_is_sent() {
    let fat = instance("h:1").with_metadata("k", "x".repeat(2 << 20));
    let error = Codec::Json.encode(&fat, None, &UnknownFields::default()).unwrap_err();
    assert!(error.to_string().contains("1000000"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Codec::decode(&value);
    }

    #[test]
    fn no_json_makes_it_panic(id in "\\PC{0,9}", address in "\\PC{0,9}", weight in any::<i64>(), tag in "\\PC{0,4}") {
        let value = serde_json::json!({"v": 1, "id": id, "address": address, "weight": weight, "tags": [tag]});
        let _ = Codec::decode(value.to_string().as_bytes());
    }

    #[test]
    fn every_valid_instance_round_trips(
        id in "[^/\\p{Cc}]{1,20}", port in 1u16.., weight in 0u32..=65_535, tags in prop::collection::vec("[a-z]{1,4}", 0..3),
    ) {
        let mut instance = Instance::new(std::net::SocketAddr::from(([10, 0, 0, 1], port))).with_id(id).with_weight(weight);
        instance = tags.into_iter().fold(instance, Instance::with_tag);
        let written = Codec::Json.encode(&instance, None, &UnknownFields::default()).unwrap();
        prop_assert_eq!(Codec::decode(&written).unwrap().instance, instance);
    }
}
