//! Watches: read in pages, resumed where they stood, mistrustful of silence and of servers that were restored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::time::Duration;

use etcd_client::{Client, Txn, TxnOp};
use sd_core::{Connection, ErrorKind, Instancer, Subscription};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::EtcdServer;
use sd_testkit::proxy::{Mode, TcpProxy};
use sd_testkit::waiting::{eventually, until, until_ids};

fn connect(proxy: &TcpProxy) -> Connection {
    EtcdConfig::new([proxy.address().to_string()]).connect().unwrap()
}

fn subscribe(registry: &Connection) -> Subscription {
    registry.subscribe(&"book".parse().unwrap())
}

fn json(id: usize, bytes: usize) -> String {
    format!(r#"{{"v":1,"id":"i{id}","address":"h:1","metadata":{{"x":"{}"}}}}"#, "x".repeat(bytes))
}

/// Writes many instances with values of about so many bytes.
async fn fill(server: &EtcdServer, ids: std::ops::Range<usize>, bytes: usize) {
    let mut client = Client::connect([server.endpoint()], None).await.unwrap();
    let per_txn = (1_000_000 / (bytes + 200)).clamp(1, 128);
    let ids: Vec<_> = ids.collect();
    for chunk in ids.chunks(per_txn) {
        let put = |id: &usize| TxnOp::put(format!("/services/book/i{id}"), json(*id, bytes), None);
        client.txn(Txn::new().and_then(chunk.iter().map(put).collect::<Vec<_>>())).await.unwrap();
    }
}

/// Cuts the connection, lets `meanwhile` happen, and lets it be made again.
async fn while_cut(proxy: &TcpProxy, subscription: &mut Subscription, meanwhile: impl Future<Output = ()>) {
    proxy.set(Mode::Refuse).await;
    proxy.cut();
    until("stale", subscription, |snapshot| snapshot.freshness().is_stale()).await;
    meanwhile.await;
    proxy.set(Mode::Pass).await;
}

#[tokio::test]
async fn ten_thousand_instances_beyond_4_mib_arrive_and_a_reconnect_reads_none_again() {
    let Some(server) = EtcdServer::start("ten_thousand_instances").await else { return };
    fill(&server, 0..10_000, 500).await;
    let proxy = TcpProxy::start(server.address());
    let registry = connect(&proxy);
    let mut book = subscribe(&registry);
    until("all", &mut book, |snapshot| snapshot.len() == 10_000 && snapshot.freshness().is_live()).await;
    let (_, read) = proxy.bytes();
    assert!(read > 4 << 20);
    while_cut(&proxy, &mut book, async {
        server.gateway().delete("/services/book/i7").await;
    })
    .await;
    until("one less", &mut book, |snapshot| snapshot.len() == 9_999 && snapshot.freshness().is_live()).await;
    let (_, after) = proxy.bytes();
    assert!(after - read < 20_000, "{} bytes for a reconnect", after - read);
    // An event costs what it is, whatever the number of instances.
    for n in 0..100 {
        server.gateway().put("/services/book/i8", &json(8, n), None).await;
    }
    until("the last", &mut book, |s| s.get("i8").is_some_and(|i| i.metadata()["x"].len() == 99)).await;
    assert!(proxy.bytes().1 - after < 60_000, "{} bytes for 100 events", proxy.bytes().1 - after);
}

#[tokio::test]
async fn a_catch_up_of_many_mib_in_large_values_arrives() {
    let Some(server) = EtcdServer::start("a_catch_up_of_many_mib").await else { return };
    let proxy = TcpProxy::start(server.address());
    let registry = connect(&proxy);
    let mut book = subscribe(&registry);
    until_ids("nobody", &mut book, &[]).await;
    while_cut(&proxy, &mut book, fill(&server, 0..20, 900_000)).await;
    until("all", &mut book, |snapshot| snapshot.len() == 20 && snapshot.freshness().is_live()).await;
    // And a fresh one reads 18 MiB in pages.
    let mut fresh = subscribe(&EtcdConfig::new([server.endpoint()]).connect().unwrap());
    until("all", &mut fresh, |snapshot| snapshot.len() == 20 && snapshot.freshness().is_live()).await;
}

#[tokio::test]
async fn go_zero_3364_a_history_compacted_while_away_is_read_anew() {
    let Some(server) = EtcdServer::start("go_zero_3364").await else { return };
    fill(&server, 0..5, 10).await;
    let proxy = TcpProxy::start(server.address());
    let registry = connect(&proxy);
    let mut book = subscribe(&registry);
    until_ids("all", &mut book, &["i0", "i1", "i2", "i3", "i4"]).await;
    while_cut(&proxy, &mut book, async {
        server.gateway().delete("/services/book/i1").await;
        fill(&server, 7..8, 10).await;
        server.gateway().compact().await;
    })
    .await;
    until_ids("read anew", &mut book, &["i0", "i2", "i3", "i4", "i7"]).await;
    fill(&server, 8..9, 10).await;
    until_ids("followed", &mut book, &["i0", "i2", "i3", "i4", "i7", "i8"]).await;
    assert_eq!(registry.watched_services(), 1);
}

#[tokio::test]
async fn a_wiped_server_that_claims_to_be_the_same_cluster_is_found_out() {
    let Some(server) = EtcdServer::start("a_wiped_server").await else { return };
    fill(&server, 0..3, 10).await;
    let proxy = TcpProxy::start(server.address());
    let config = EtcdConfig::new([proxy.address().to_string()]);
    // Whoever was half the fleet is not missed at once: that is core's, and another test's.
    let staleness = sd_core::StalenessPolicy::default().hold_share(1.0).unwrap();
    let registry = config.staleness(staleness).connect().unwrap();
    let mut book = subscribe(&registry);
    until_ids("all", &mut book, &["i0", "i1", "i2"]).await;
    // Behind our revision.
    while_cut(&proxy, &mut book, server.restart_empty_as_the_same_cluster()).await;
    until_ids("nobody", &mut book, &[]).await;
    fill(&server, 4..5, 10).await;
    until_ids("followed", &mut book, &["i4"]).await;
    // Past our revision: only the history tells.
    while_cut(&proxy, &mut book, async {
        server.restart_empty_as_the_same_cluster().await;
        fill(&server, 5..6, 10).await;
        for _ in 0..50 {
            server.gateway().put("/elsewhere", "x", None).await;
        }
    })
    .await;
    until_ids("the new one alone", &mut book, &["i5"]).await;
}

#[tokio::test]
async fn a_watch_that_died_silently_is_noticed_and_replaced() {
    let Some(server) = EtcdServer::start("a_watch_that_died_silently").await else { return };
    let proxy = TcpProxy::start(server.address());
    let registry = EtcdConfig::new([proxy.address().to_string()])
        .watch_check(Duration::from_secs(1), Duration::from_millis(500))
        .connect_timeout(Duration::from_millis(500))
        .connect()
        .unwrap();
    let mut book = subscribe(&registry);
    until_ids("nobody", &mut book, &[]).await;
    // A healthy silence is no death.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(registry.counters().watch_failures, 0);
    assert_eq!(proxy.accepted(), 1);
    proxy.set(Mode::Hold).await;
    let started = tokio::time::Instant::now();
    until("noticed", &mut book, |snapshot| snapshot.freshness().is_stale()).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    fill(&server, 0..1, 10).await;
    proxy.cut();
    proxy.set(Mode::Pass).await;
    until_ids("replaced", &mut book, &["i0"]).await;
}

#[tokio::test]
async fn an_audit_of_a_healthy_watch_changes_nothing_and_reads_little() {
    let Some(server) = EtcdServer::start("an_audit").await else { return };
    fill(&server, 0..1000, 200).await;
    let proxy = TcpProxy::start(server.address());
    let config = EtcdConfig::new([proxy.address().to_string()]).audit(Duration::from_millis(200));
    let registry = config.connect().unwrap();
    let mut book = subscribe(&registry);
    until("all", &mut book, |snapshot| snapshot.len() == 1000).await;
    let (read, version) = (proxy.bytes().1, book.snapshot().version());
    let ranges = || async { server.gateway().metric("etcd_mvcc_range_total", &[]).await };
    let before = ranges().await;
    eventually("five audits", async || ranges().await - before >= 5.0).await;
    assert_eq!(registry.counters().watch_failures, 0);
    assert_eq!(book.snapshot().version(), version);
    assert!(proxy.bytes().1 - read < 10_000);
    // Writes in between do not confuse it.
    for n in 0..200 {
        server.gateway().put(&format!("/services/book/i{}", n % 7), &json(n % 7, n), None).await;
    }
    until("the last", &mut book, |s| s.get("i3").is_some_and(|i| i.metadata()["x"].len() == 199)).await;
    assert_eq!(registry.counters().watch_failures, 0);
}

#[tokio::test]
async fn a_change_is_published_as_fast_as_etcd_tells_it() {
    let Some(server) = EtcdServer::start("a_change_is_published").await else { return };
    fill(&server, 0..1000, 100).await;
    let registry = EtcdConfig::new([server.endpoint()]).connect().unwrap();
    let mut book = subscribe(&registry);
    until("all", &mut book, |snapshot| snapshot.len() == 1000).await;
    let mut client = Client::connect([server.endpoint()], None).await.unwrap();
    let mut took = Vec::new();
    for n in 0..200 {
        let started = tokio::time::Instant::now();
        client.put("/services/book/i5", json(5, n), None).await.unwrap();
        until("it", &mut book, |s| s.get("i5").is_some_and(|i| i.metadata()["x"].len() == n)).await;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    println!("put to published: median {:?}, p99 {:?}", took[100], took[198]);
    assert!(took[100] < Duration::from_millis(50), "{:?}", took[100]);
}

#[tokio::test]
async fn no_watch_outlives_its_connection() {
    let Some(server) = EtcdServer::start("no_watch_outlives").await else { return };
    let watchers = async || server.gateway().metric("etcd_debugging_mvcc_watcher_total", &[]).await;
    for _ in 0..5 {
        let registry = EtcdConfig::new([server.endpoint()]).connect().unwrap();
        let mut subscriptions: Vec<_> =
            (0..20).map(|n| registry.subscribe(&format!("s{n}").parse().unwrap())).collect();
        for subscription in &mut subscriptions {
            until_ids("nobody", subscription, &[]).await;
        }
        assert!(watchers().await >= 20.0);
    }
    eventually("none is left", async || watchers().await == 0.0).await;
}

#[tokio::test]
async fn without_a_leader_a_watch_says_so_unless_told_otherwise() {
    let Some(cluster) = sd_testkit::etcd::EtcdCluster::start("without_a_leader").await else { return };
    let url = format!("etcd://{}", cluster.endpoints());
    let registry = EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    let mut book = subscribe(&registry);
    until_ids("nobody", &mut book, &[]).await;
    let (_, rest) = cluster.members().split_first().unwrap();
    rest.iter().for_each(EtcdServer::kill);
    let stale = until("noticed", &mut book, |snapshot| snapshot.freshness().is_stale()).await;
    assert_eq!(stale.freshness().error().unwrap().kind(), ErrorKind::Unavailable);
}
