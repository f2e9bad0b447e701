//! The lease that the registrations of a connection share: kept, lost, made anew, given back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::time::Duration;

use sd_core::{Codec, Connection, ErrorKind, Registrar, Registration, RegistrationHandle, RegistrationState};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::EtcdServer;
use sd_testkit::proxy::{Mode, TcpProxy};
use sd_testkit::samples::instance;
use sd_testkit::waiting::{eventually, until_state};

const TTL: Duration = Duration::from_secs(3);

fn connect(server: &EtcdServer) -> Connection {
    EtcdConfig::new([server.endpoint()]).ttl(TTL).connect().unwrap()
}

async fn register(registry: &Connection, id: &str) -> RegistrationHandle {
    registry.register(Registration::new("book", instance(id, 1))).await.unwrap()
}

/// The leases that entries of `book` hang on, each once.
async fn leases(server: &EtcdServer) -> Vec<i64> {
    let mut leases: Vec<_> = server.gateway().list("/services/book/").await.iter().map(|(_, _, l)| *l).collect();
    leases.sort_unstable();
    leases.dedup();
    leases
}

#[tokio::test]
async fn a_thousand_registrations_of_one_connection_are_cheap_and_share_a_lease() {
    let Some(server) = EtcdServer::start("a_thousand_registrations").await else { return };
    let registry = connect(&server);
    let started = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let registry = registry.clone();
        tasks.spawn(async move { register(&registry, &format!("i{n}")).await });
    }
    let handles = tasks.join_all().await;
    let took = started.elapsed();
    println!("1000 registrations took {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(server.gateway().list("/services/book/").await.len(), 1000);
    assert_eq!(leases(&server).await.len(), 1);
    assert_eq!(server.gateway().leases().await.len(), 1);
    // All are held beyond the TTL, by few requests.
    let beats = || async { server.gateway().metric("etcd_debugging_lease_renewed_total", &[]).await };
    let before = beats().await;
    tokio::time::sleep(TTL * 2).await;
    assert!(beats().await - before <= 10.0);
    assert_eq!(server.gateway().list("/services/book/").await.len(), 1000);
    assert!(handles.iter().all(|handle| handle.state().is_registered()));
}

#[tokio::test]
async fn go_kit_1043_reregisters_after_lease_expiry_all_under_one_new_lease() {
    let Some(server) = EtcdServer::start("go_kit_1043").await else { return };
    let registry = connect(&server);
    let mut handles = Vec::new();
    for n in 0..20 {
        handles.push(register(&registry, &format!("i{n}")).await);
    }
    for _ in 0..3 {
        let lease = leases(&server).await[0];
        server.gateway().revoke(lease).await;
        eventually("all are back", async || server.gateway().list("/services/book/").await.len() == 20).await;
        let now = leases(&server).await;
        assert!(now.len() == 1 && now[0] != lease, "{now:?}");
        for handle in &mut handles {
            until_state("registered", handle, RegistrationState::is_registered).await;
        }
    }
    assert!(registry.counters().registrations_lost >= 60);
}

#[tokio::test]
async fn a_deleted_entry_is_put_again_and_its_neighbours_stay_as_they_are() {
    let Some(server) = EtcdServer::start("a_deleted_entry").await else { return };
    let registry = connect(&server);
    let _kept = (register(&registry, "a").await, register(&registry, "b").await);
    let lease = leases(&server).await;
    server.gateway().delete("/services/book/a").await;
    eventually("it is back", async || server.gateway().list("/services/book/").await.len() == 2).await;
    assert_eq!(leases(&server).await, lease);
}

#[tokio::test]
async fn a_newer_registrant_supersedes_whatever_it_writes() {
    let Some(server) = EtcdServer::start("a_newer_registrant").await else { return };
    for codec in [Codec::Json, Codec::Plain] {
        let registry = EtcdConfig::new([server.endpoint()]).ttl(TTL).codec(codec).connect().unwrap();
        let mut handle = register(&registry, "127.0.0.1:1").await;
        // A Go program with the very same value, under a lease of its own.
        let lease = server.gateway().grant(60).await;
        server.gateway().put("/services/book/127.0.0.1:1", "127.0.0.1:1", Some(lease)).await;
        until_state("superseded", &mut handle, RegistrationState::is_superseded).await;
        drop(handle);
        drop(registry);
        assert_eq!(leases(&server).await, [lease], "{codec:?}");
        server.gateway().delete("/services/book/127.0.0.1:1").await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_for_less_than_the_ttl_loses_no_lease() {
    let Some(server) = EtcdServer::start("a_connection_that_breaks").await else { return };
    let proxy = TcpProxy::start(server.address());
    let registry = EtcdConfig::new([proxy.address().to_string()]).ttl(Duration::from_secs(6)).connect().unwrap();
    let handle = register(&registry, "a").await;
    let lease = leases(&server).await;
    for _ in 0..3 {
        proxy.set(Mode::Refuse).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.set(Mode::Pass).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(leases(&server).await, lease);
        assert!(handle.state().is_registered());
    }
}

#[tokio::test]
async fn an_outage_beyond_the_ttl_is_told_and_mended() {
    let Some(server) = EtcdServer::start("an_outage_beyond_the_ttl").await else { return };
    let registry = connect(&server);
    let mut handle = register(&registry, "a").await;
    server.pause();
    let state = until_state("it is told", &mut handle, RegistrationState::is_retrying).await;
    assert!(matches!(state, RegistrationState::Retrying { error: Some(_), .. }), "{state:?}");
    server.resume();
    until_state("it is mended", &mut handle, RegistrationState::is_registered).await;
    assert_eq!(leases(&server).await.len(), 1);
}

#[tokio::test]
async fn connections_never_end_each_others_leases_and_give_their_own_back() {
    let Some(server) = EtcdServer::start("connections_never_end").await else { return };
    let (one, two) = (connect(&server), connect(&server));
    let (a, b) = (register(&one, "a").await, register(&two, "b").await);
    assert_eq!(leases(&server).await.len(), 2);
    a.deregister().await.unwrap();
    drop(one);
    eventually("the first lease is given back", async || server.gateway().leases().await.len() == 1).await;
    assert_eq!(server.gateway().list("/services/book/").await.len(), 1);
    assert!(b.state().is_registered());
    b.deregister().await.unwrap();
    // The connection stays, and with nothing to keep alive gives its lease back at the next heartbeat.
    eventually("the second lease is given back", async || server.gateway().leases().await.is_empty()).await;
    let again = register(&two, "c").await;
    assert!(again.state().is_registered());
}

#[tokio::test]
async fn what_hangs_on_our_lease_and_nobody_wants_is_swept_away() {
    let Some(server) = EtcdServer::start("what_hangs_on_our_lease").await else { return };
    let registry = connect(&server);
    let _kept = register(&registry, "a").await;
    // As a write does that was given up and arrives late.
    let lease = leases(&server).await[0];
    server.gateway().put("/services/book/ghost", "127.0.0.1:9", Some(lease)).await;
    eventually("the ghost is gone", async || server.gateway().get("/services/book/ghost").await.is_none()).await;
    assert!(server.gateway().get("/services/book/a").await.is_some());
}

#[tokio::test]
async fn a_removal_that_failed_is_made_up_for_although_the_lease_lives_on() {
    let Some(server) = EtcdServer::start("a_removal_that_failed").await else { return };
    let proxy = TcpProxy::start(server.address());
    let registry = EtcdConfig::new([proxy.address().to_string()])
        .ttl(Duration::from_secs(20))
        .request_timeout(Duration::from_secs(1))
        .connect()
        .unwrap();
    let (a, _kept) = (register(&registry, "a").await, register(&registry, "b").await);
    proxy.set(Mode::Hold).await;
    let error = a.deregister().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    proxy.cut();
    proxy.set(Mode::Pass).await;
    let lease = leases(&server).await;
    eventually("it is gone", async || server.gateway().get("/services/book/a").await.is_none()).await;
    assert_eq!(leases(&server).await, lease, "the other's lease lives on");
}

#[tokio::test]
async fn the_ttl_is_the_one_that_etcd_granted() {
    let Some(server) = EtcdServer::start("the_ttl_is_the_one").await else { return };
    let options = sd_testkit::etcd::EtcdOptions::new().argument("--election-timeout=2000");
    let slow = EtcdServer::start_with("the_ttl_is_the_one", options).await.unwrap();
    for server in [&server, &slow] {
        let registry = EtcdConfig::new([server.endpoint()]).ttl(Duration::from_secs(1)).connect().unwrap();
        let handle = register(&registry, "a").await;
        let RegistrationState::Registered { ttl: Some(ttl), .. } = handle.state() else { panic!("{handle:?}") };
        assert!(ttl >= Duration::from_secs(1), "{ttl:?}");
        // Kept over several TTLs all the same.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(server.gateway().list("/services/book/").await.len(), 1);
    }
}

#[tokio::test]
async fn an_entry_whose_value_is_too_large_is_refused_for_good() {
    let Some(server) = EtcdServer::start("an_entry_too_large").await else { return };
    let registry = connect(&server);
    let big = instance("a", 1).with_metadata("big", "x".repeat(2 << 20));
    let error = registry.register(Registration::new("book", big)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn more_keys_than_a_lease_carries_are_spread_over_leases_that_are_all_kept() {
    let Some(server) = EtcdServer::start("more_keys_than_a_lease").await else { return };
    let registry = connect(&server);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4_100 {
        let registry = registry.clone();
        tasks.spawn(async move { register(&registry, &format!("i{n}")).await });
    }
    let handles = tasks.join_all().await;
    assert_eq!(leases(&server).await.len(), 2);
    tokio::time::sleep(TTL * 2).await;
    assert_eq!(server.gateway().list("/services/book/").await.len(), 4_100);
    assert_eq!(registry.counters().registrations_lost, 0);
    drop(handles);
    drop(registry);
    eventually("all are gone", async || server.gateway().list("/services/book/").await.is_empty()).await;
    eventually("the leases too", async || server.gateway().leases().await.is_empty()).await;
}

#[tokio::test]
async fn an_update_writes_unknown_fields_back_and_keeps_the_lease() {
    let Some(server) = EtcdServer::start("an_update_writes_unknown_fields").await else { return };
    let registry = connect(&server);
    let handle = register(&registry, "a").await;
    let (key, value, lease) = server.gateway().list("/services/book/").await.remove(0);
    // As a later version's command line does.
    let later = value.replacen('{', r#"{"later":{"x":1},"#, 1);
    server.gateway().put(&key, &later, Some(lease)).await;
    handle.update(instance("a", 1).with_weight(3)).await.unwrap();
    let (_, value, kept) = server.gateway().list("/services/book/").await.remove(0);
    assert!(value.contains("later") && value.contains(r#""weight":3"#), "{value}");
    assert_eq!(kept, lease);
    // Without our lease it would outlive us: it is put under it again.
    server.gateway().put(&key, &value, None).await;
    eventually("it hangs on the lease again", async || leases(&server).await == [lease]).await;
    assert!(handle.state().is_registered() || handle.state().is_retrying());
}
