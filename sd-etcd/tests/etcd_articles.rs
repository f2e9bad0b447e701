//! Keys and values as Go programs write them, byte for byte, and what our own look like to those.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use sd_core::{Admin, Catalog, Codec, Connection, ErrorKind, Instancer, Registrar, Registration, RegistrationState};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::EtcdServer;
use sd_testkit::samples::instance;
use sd_testkit::waiting::{until, until_ids};

fn connect(server: &EtcdServer, rest: &str) -> Connection {
    let url = format!("etcd://{}{rest}", server.endpoint());
    EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap()
}

#[tokio::test]
async fn what_the_go_programs_of_the_articles_register_is_found() {
    let Some(server) = EtcdServer::start("what_the_go_programs_register").await else { return };
    let gateway = server.gateway();
    let lease = gateway.grant(60).await;
    for (key, value) in [
        ("/services/book/127.0.0.1:50052", "127.0.0.1:50052"),
        ("/foo/127.0.0.1:8080", "127.0.0.1:8080"),
        ("/web/node2", "localhost:8000"),
        ("Hello7587862094", "remote_host:1234"),
        ("HelloWorld1", "other:1"),
    ] {
        gateway.put(key, value, Some(lease)).await;
    }
    for (rest, service, id) in [
        ("", "book", "127.0.0.1:50052"),
        ("/services?codec=plain", "book", "127.0.0.1:50052"),
        ("/", "foo", "127.0.0.1:8080"),
        ("/", "web", "localhost:8000"),
        ("?layout={service}{id}", "Hello", "remote_host:1234"),
    ] {
        let registry = connect(&server, rest);
        let mut subscription = registry.subscribe(&service.parse().unwrap());
        let seen = until_ids(&format!("{rest} {service}"), &mut subscription, &[id]).await;
        assert_eq!(seen.skipped(), 0);
        assert!(registry.services().await.unwrap().contains(service));
    }
    // One that goes is gone; a second key of the same address keeps it.
    let registry = connect(&server, "");
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("book", &mut book, &["127.0.0.1:50052"]).await;
    gateway.put("/services/book/again", "127.0.0.1:50052", None).await;
    gateway.put("/services/book/another", "127.0.0.1:2", None).await;
    until_ids("both addresses", &mut book, &["127.0.0.1:2", "127.0.0.1:50052"]).await;
    gateway.delete("/services/book/127.0.0.1:50052").await;
    gateway.delete("/services/book/another").await;
    until_ids("the address that has a key left", &mut book, &["127.0.0.1:50052"]).await;
    gateway.delete("/services/book/again").await;
    until_ids("nobody", &mut book, &[]).await;
}

#[tokio::test]
async fn plain_instances_of_ours_are_what_go_programs_read() {
    let Some(server) = EtcdServer::start("plain_instances_of_ours").await else { return };
    let plain = connect(&server, "?codec=plain");
    let handle = plain.register(Registration::new("book", instance("127.0.0.1:50052", 50052))).await.unwrap();
    let keys = server.gateway().list("/services/").await;
    assert_eq!((keys[0].0.as_str(), keys[0].1.as_str()), ("/services/book/127.0.0.1:50052", "127.0.0.1:50052"));
    assert_ne!(keys[0].2, 0);
    let error = handle.update(instance("127.0.0.1:50052", 50052).with_weight(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    handle.deregister().await.unwrap();
    assert!(server.gateway().list("/services/").await.is_empty());

    let hello = connect(&server, "?codec=plain&layout={service}{id}");
    let _kept = hello.register(Registration::new("Hello", instance("7587", 1234))).await.unwrap();
    assert_eq!(server.gateway().get("Hello7587").await.as_deref(), Some("127.0.0.1:1234"));
    for (service, id) in [("Hello2", "7"), ("Hello", "x7")] {
        let error = hello.register(Registration::new(service, instance(id, 1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}

#[tokio::test]
async fn registering_json_beside_plain_values_warns_and_names_the_option() {
    let Some(server) = EtcdServer::start("registering_json_beside_plain").await else { return };
    server.gateway().put("/services/book/a", "127.0.0.1:1", None).await;
    let registry = connect(&server, "");
    let warned = registry.register(Registration::new("book", instance("b", 2))).await.unwrap();
    let RegistrationState::Registered { warning: Some(warning), ttl } = warned.state() else { panic!("no warning") };
    assert!(warning.contains("?codec=plain"), "{warning}");
    assert_eq!(ttl.unwrap().as_secs(), 10);
    let other = registry.register(Registration::new("other", instance("b", 2))).await.unwrap();
    assert!(matches!(other.state(), RegistrationState::Registered { warning: None, .. }));
}

#[tokio::test]
async fn ids_stand_raw_in_keys() {
    let Some(server) = EtcdServer::start("ids_stand_raw_in_keys").await else { return };
    let registry = connect(&server, "/a%20b");
    let id = "node 2 %41 ж?#";
    let _kept = registry.register(Registration::new("book", instance(id, 2))).await.unwrap();
    let key = format!("/a b/book/{id}");
    assert!(server.gateway().get(&key).await.is_some());
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("the raw id", &mut book, &[id]).await;
}

#[tokio::test]
async fn what_can_not_be_read_is_counted_and_fails_nothing() {
    let Some(server) = EtcdServer::start("what_can_not_be_read").await else { return };
    let gateway = server.gateway();
    gateway.put("/services/book/good", "127.0.0.1:1", None).await;
    gateway.put("/services/book/", "127.0.0.1:2", None).await;
    gateway.put("/services/book/bad", "{", None).await;
    gateway.put("/services/book/huge", &"x".repeat(1_400_000), None).await;
    gateway.put("/services/book/other", r#"{"v":1,"id":"not other","address":"h:1"}"#, None).await;
    let registry = connect(&server, "");
    let mut book = registry.subscribe(&"book".parse().unwrap());
    let seen = until_ids("the good one", &mut book, &["127.0.0.1:1"]).await;
    assert_eq!(seen.skipped(), 4);
    gateway.put("/services/book/huge2", &"x".repeat(1_400_000), None).await;
    until("five are counted", &mut book, |snapshot| snapshot.skipped() == 5).await;
    gateway.put("/services/book/bad", "127.0.0.1:3", None).await;
    let seen = until_ids("the bad one, mended", &mut book, &["127.0.0.1:1", "127.0.0.1:3"]).await;
    assert_eq!(seen.skipped(), 4);
}

#[tokio::test]
async fn plain_entries_are_administrated_by_their_address() {
    let Some(server) = EtcdServer::start("plain_entries_are_administrated").await else { return };
    let gateway = server.gateway();
    gateway.put("/services/book/node1", "127.0.0.1:1", None).await;
    gateway.put("/services/book/node2", "127.0.0.1:1", None).await;
    gateway.put("/services/book/node3", "127.0.0.1:3", None).await;
    let registry = connect(&server, "");
    let book = "book".parse().unwrap();
    assert_eq!(registry.drain(&book, "127.0.0.1:1").await.unwrap_err().kind(), ErrorKind::Unsupported);
    registry.deregister(&book, "127.0.0.1:1").await.unwrap();
    assert_eq!(registry.deregister(&book, "127.0.0.1:1").await.unwrap_err().kind(), ErrorKind::NotFound);
    let left = gateway.list("/services/").await;
    assert_eq!(left.iter().map(|(key, ..)| key.as_str()).collect::<Vec<_>>(), ["/services/book/node3"]);
    // What can't be read can be taken away by the id in its key.
    gateway.put("/services/book/bad", "{", None).await;
    registry.deregister(&book, "bad").await.unwrap();
}

#[tokio::test]
async fn draining_keeps_owner_lease_and_unknown_fields() {
    let Some(server) = EtcdServer::start("draining_keeps_owner").await else { return };
    let gateway = server.gateway();
    let lease = gateway.grant(60).await;
    let value = r#"{"v":9,"id":"a","address":"h:1","owner":"somebody","later":{"x":1}}"#;
    gateway.put("/services/book/a", value, Some(lease)).await;
    let registry = connect(&server, "");
    registry.drain(&"book".parse().unwrap(), "a").await.unwrap();
    let (_, value, kept) = gateway.list("/services/book/a").await.remove(0);
    assert_eq!(kept, lease);
    let entry = Codec::decode(value.as_bytes()).unwrap();
    assert_eq!(entry.owner.unwrap().as_str(), "somebody");
    assert!(value.contains("draining") && value.contains("later"), "{value}");
}
