//! Several endpoints: dead, mute and cut off ones are left, and taken again later; an idle connection is left in peace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::time::Duration;

use sd_core::{Instancer, Probe, Registrar, Registration, RegistrationState};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::{EtcdCluster, EtcdOptions, EtcdServer};
use sd_testkit::ports;
use sd_testkit::proxy::{Mode, TcpProxy};
use sd_testkit::samples::instance;
use sd_testkit::waiting::{eventually, soon, until, until_ids, until_state};

/// Of several endpoints any may be tried first, so a test needs several connections to meet each.
const CONNECTIONS: usize = 6;

fn config(endpoints: &[String]) -> EtcdConfig {
    EtcdConfig::new(endpoints.iter().cloned()).ttl(Duration::from_secs(5))
}

#[tokio::test]
async fn dead_and_mute_endpoints_are_left_for_one_that_lives() {
    let Some(server) = EtcdServer::start("dead_and_mute_endpoints").await else { return };
    // One that refuses, one whose connections nobody takes, one that is no name.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = [
        format!("127.0.0.1:{}", ports::free()),
        mute.local_addr().unwrap().to_string(),
        "no-such-host.invalid:2379".to_owned(),
        server.endpoint(),
    ];
    for n in 0..CONNECTIONS {
        let registry = config(&endpoints).connect_timeout(Duration::from_millis(500)).connect().unwrap();
        let registration = Registration::new("book", instance(&format!("i{n}"), 1));
        let handle = soon("it registers", registry.register(registration)).await.unwrap();
        let report = registry.probe().await.unwrap();
        assert_eq!(report.endpoint, server.endpoint());
        assert!(report.version.starts_with("3."), "{report:?}");
        // Once found, the living one is used: nothing is ever slow again.
        for _ in 0..50 {
            assert!(registry.probe().await.unwrap().latency < Duration::from_millis(400));
        }
        handle.deregister().await.unwrap();
    }
}

#[tokio::test]
async fn an_endpoint_that_falls_silent_is_left_before_the_lease_is_lost() {
    let Some(server) = EtcdServer::start("an_endpoint_that_falls_silent").await else { return };
    let (a, b) = (TcpProxy::start(server.address()), TcpProxy::start(server.address()));
    let endpoints = [a.address().to_string(), b.address().to_string()];
    let registry = config(&endpoints)
        .ttl(Duration::from_secs(9))
        .connect_timeout(Duration::from_secs(1))
        .request_timeout(Duration::from_secs(2))
        .watch_check(Duration::from_secs(2), Duration::from_secs(1))
        .connect()
        .unwrap();
    let mut handle = registry.register(Registration::new("book", instance("i", 1))).await.unwrap();
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut book, &["i"]).await;
    let lost = registry.counters().registrations_lost;
    for _ in 0..2 {
        let endpoint = registry.probe().await.unwrap().endpoint;
        let (used, other) = if endpoint == a.address().to_string() { (&a, &b) } else { (&b, &a) };
        used.set(Mode::Hold).await;
        eventually(
            "the other is used",
            async || matches!(registry.probe().await, Ok(report) if report.endpoint == other.address().to_string()),
        )
        .await;
        server.gateway().put("/services/book/x", "127.0.0.1:2", None).await;
        until("the watch is there too", &mut book, |s| s.freshness().is_live() && s.len() == 2).await;
        server.gateway().delete("/services/book/x").await;
        until("and follows", &mut book, |s| s.freshness().is_live() && s.len() == 1).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        until_state("registered", &mut handle, RegistrationState::is_registered).await;
        assert_eq!(registry.counters().registrations_lost, lost);
        // In the next round this one is taken again.
        used.cut();
        used.set(Mode::Pass).await;
    }
}

#[tokio::test]
async fn a_cluster_that_loses_its_leader_keeps_everything() {
    let Some(cluster) = EtcdCluster::start("a_cluster_that_loses_its_leader").await else { return };
    let url = format!("etcd://{}?ttl=6s", cluster.endpoints());
    let connect = || EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    let (writer, reader) = (connect(), connect());
    let mut handle = writer.register(Registration::new("book", instance("i", 1))).await.unwrap();
    let mut book = reader.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut book, &["i"]).await;
    for _ in 0..2 {
        let leader = cluster.leader().await;
        leader.kill();
        until_state("registered", &mut handle, RegistrationState::is_registered).await;
        let update = instance("i", 1).with_weight(7);
        soon("a write goes through", async { handle.update(update.clone()).await }).await.unwrap();
        until("it is seen", &mut book, |s| s.freshness().is_live() && s.get("i").is_some_and(|i| i.weight() == 7))
            .await;
        handle.update(instance("i", 1)).await.unwrap();
        leader.restart().await;
        eventually("all are members again", async || !cluster.leader().await.endpoint().is_empty()).await;
    }
    assert!(handle.state().is_registered());
}

#[tokio::test]
async fn an_idle_connection_earns_no_too_many_pings() {
    // Pings more often than every second would be too many; the client pings every 1.2 s, when it may.
    let options = EtcdOptions::new().argument("--grpc-keepalive-min-time=1s");
    let Some(server) = EtcdServer::start_with("an_idle_connection", options).await else { return };
    let proxy = TcpProxy::start(server.address());
    let registry = EtcdConfig::new([proxy.address().to_string()])
        .keep_alive(Duration::from_millis(1200), Duration::from_secs(5))
        .connect()
        .unwrap();
    registry.probe().await.unwrap();
    let time = match std::env::var("SD_TEST_IDLE_SECONDS") {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap()),
        // Ten pings; etcd closes at the third that it does not like.
        Err(_) => Duration::from_secs(12),
    };
    tokio::time::sleep(time).await;
    registry.probe().await.unwrap();
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1), "etcd closed the idle connection");
    // The same with a watch, during which pings are allowed, and are sent.
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("nobody", &mut book, &[]).await;
    tokio::time::sleep(time / 2).await;
    assert_eq!((proxy.accepted(), registry.counters().watch_failures), (1, 0));
}

#[tokio::test]
async fn a_host_name_is_resolved_and_an_endpoint_may_be_ipv6() {
    let options = EtcdOptions::new().listen_on("[::1]");
    let Some(server) = EtcdServer::start("a_host_name_is_resolved").await else { return };
    let by_name = EtcdConfig::new([format!("localhost:{}", server.port())]).connect().unwrap();
    soon("by name", by_name.probe()).await.unwrap();
    let six = EtcdServer::start_with("a_host_name_is_resolved", options).await.unwrap();
    let url = format!("etcd://{}", six.endpoint());
    let by_address = EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    soon("by address", by_address.probe()).await.unwrap();
}

#[tokio::test]
async fn connecting_never_waits_and_nothing_that_answers_hangs() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = EtcdConfig::new([mute.local_addr().unwrap().to_string()]).connect().unwrap();
    let started = tokio::time::Instant::now();
    let error = registry.probe().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(error.is_retryable() && error.backend() == "etcd", "{error:?}");
}
