//! The harness itself: what it starts comes up, dies, forgets and is gone.

use std::time::Duration;

use sd_testkit::waiting::eventually;
use sd_testkit::zookeeper::{Refusal, ZooKeeperEnsemble, ZooKeeperServer};

#[tokio::test]
async fn a_server_keeps_its_data_over_a_restart_and_forgets_it_when_told() {
    let Some(server) = ZooKeeperServer::start("a_server_keeps_its_data").await else { return };
    let operator = server.operator();
    operator.plant("/a/b c", b"1").await;
    operator.plant("/a/ж", b"2").await;
    operator.plant("/a/ж", b"3").await;
    server.restart().await;
    assert_eq!(operator.children("/a").await, ["b c", "ж"]);
    let node = operator.get("/a/ж").await.unwrap().unwrap();
    assert_eq!((node.data.as_slice(), node.version, node.owner), (&b"3"[..], 1, 0));
    assert_eq!(operator.delete("/a").await, Err(Refusal::NOT_EMPTY));
    assert_eq!(operator.delete("/a/ж").await, Ok(()));
    assert_eq!(operator.delete("/a/ж").await, Err(Refusal::NO_NODE));
    server.restart_empty().await;
    assert_eq!(operator.get("/a").await.unwrap(), None);
    let address = server.address();
    drop(server);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it outlived its owner");
}

#[tokio::test]
async fn a_session_of_which_nothing_is_heard_ends_with_its_nodes() {
    let Some(server) = ZooKeeperServer::start("a_session_of_which_nothing_is_heard").await else { return };
    let operator = server.operator();
    let session = operator.plant_ephemeral("/e", b"x", Duration::from_secs(1)).await;
    assert_ne!(operator.get("/e").await.unwrap().unwrap().owner, 0);
    eventually("it has ended", async || operator.get("/e").await.unwrap().is_none()).await;
    drop(session);
}

#[tokio::test]
async fn a_server_stands_still_and_goes_on() {
    let Some(server) = ZooKeeperServer::start("a_server_stands_still").await else { return };
    server.pause();
    let operator = server.operator();
    let asked = tokio::spawn(async move { operator.children("/").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    server.resume();
    assert_eq!(asked.await.unwrap(), ["zookeeper"]);
    server.pause();
    // Dropped while it stands still.
}

#[tokio::test]
async fn three_members_elect_another_leader() {
    let Some(ensemble) = ZooKeeperEnsemble::start("three_members_elect_another_leader").await else { return };
    ensemble.members()[0].operator().plant("/a", b"1").await;
    let leader = ensemble.leader().await;
    leader.kill();
    let other = ensemble.leader().await;
    assert_ne!(leader.endpoint(), other.endpoint());
    assert!(other.operator().get("/a").await.unwrap().is_some());
    ensemble.restart(leader).await;
    assert!(leader.operator().get("/a").await.unwrap().is_some());
}
