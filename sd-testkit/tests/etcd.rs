//! The harness itself: what it starts comes up, dies, forgets and is gone.

use sd_testkit::etcd::{EtcdCluster, EtcdOptions, EtcdServer};
use sd_testkit::waiting::eventually;

#[tokio::test]
async fn a_server_keeps_its_data_over_a_restart_and_forgets_it_when_told() {
    let Some(server) = EtcdServer::start("a_server_keeps_its_data").await else { return };
    let gateway = server.gateway();
    gateway.put("/a/b c", "1", None).await;
    let lease = gateway.grant(100).await;
    gateway.put("/a/ж", "2", Some(lease)).await;
    server.restart().await;
    let listed = gateway.list("/a/").await;
    assert_eq!(listed, [("/a/b c".to_owned(), "1".to_owned(), 0), ("/a/ж".to_owned(), "2".to_owned(), lease)]);
    assert_eq!(gateway.leases().await, [lease]);
    gateway.revoke(lease).await;
    assert_eq!(gateway.get("/a/ж").await, None);
    gateway.compact().await;
    assert!(gateway.expire("/a/", "b c").await && !gateway.expire("/a/", "b c").await);
    let before = gateway.revision().await;
    server.restart_empty().await;
    assert!(gateway.revision().await < before);
    let address = server.address();
    drop(server);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it outlived its owner");
}

#[tokio::test]
async fn a_server_stands_still_and_goes_on() {
    let Some(server) = EtcdServer::start("a_server_stands_still").await else { return };
    server.pause();
    let gateway = server.gateway();
    let asked = tokio::spawn(async move { gateway.put("/a", "1", None).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    server.resume();
    asked.await.unwrap();
    server.pause();
    // Dropped while it stands still.
}

#[tokio::test]
async fn credentials_are_asked_for_once_that_is_enabled() {
    let options = EtcdOptions::new().auth_token_ttl(2);
    let Some(server) = EtcdServer::start_with("credentials_are_asked_for", options).await else { return };
    let gateway = server.gateway();
    gateway.enable_auth("secret").await;
    gateway.call("kv/put", serde_json::json!({ "key": "YQ==", "value": "YQ==" })).await.unwrap_err();
    let root = gateway.logged_in("root", "secret").await;
    root.put("a", "1", None).await;
    root.change_password("root", "other").await;
    gateway.logged_in("root", "other").await.put("a", "2", None).await;
}

#[tokio::test]
async fn three_members_elect_another_leader() {
    let Some(cluster) = EtcdCluster::start("three_members_elect_another_leader").await else { return };
    cluster.members()[0].gateway().put("/a", "1", None).await;
    let leader = cluster.leader().await;
    leader.kill();
    let other = cluster.members().iter().find(|member| member.port() != leader.port()).unwrap();
    let put = serde_json::json!({ "key": "YQ==", "value": "YQ==" });
    eventually("written", async || other.gateway().call("kv/put", put.clone()).await.is_ok()).await;
    leader.restart().await;
    assert_eq!(leader.gateway().get("/a").await.as_deref(), Some("1"));
}
