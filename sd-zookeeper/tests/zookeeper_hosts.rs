//! Hosts that refuse, are mute, have no name, are no ZooKeeper, or are one of several.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::error::Error as _;
use std::time::Duration;

use sd_core::{Error, ErrorKind, Probe, Registrar, Registration};
use sd_testkit::faults::Fleet;
use sd_testkit::samples::{instance, random_word};
use sd_testkit::waiting::{soon, until_ids};
use sd_testkit::zookeeper::{ZooKeeperEnsemble, ZooKeeperOptions, ZooKeeperServer};
use sd_testkit::{ConnectOptions, Environment as _, leaving_nothing, ports, run};
use sd_zookeeper::ZooKeeperConfig;
use support::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The bound that the contracts give, and some room for a busy machine.
const BOUND: Duration = Duration::from_secs(8);

async fn probed(hosts: &[String]) -> Error {
    let started = Instant::now();
    let registry = ZooKeeperConfig::new(hosts).connect().unwrap();
    let error = registry.probe().await.unwrap_err();
    assert!(started.elapsed() < BOUND, "{error} after {:?}", started.elapsed());
    assert_eq!(error.backend(), "zookeeper");
    error
}

/// A listener that never accepts: the machine takes the connection, and nobody answers.
async fn mute() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn a_refusal_silence_a_bad_name_and_a_stranger_are_told_apart() {
    let refusing = format!("127.0.0.1:{}", ports::free());
    let error = probed(std::slice::from_ref(&refusing)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains(&refusing) && error.to_string().contains("can't be connected to"), "{error}");
    assert!(error.source().unwrap().to_string().contains("refused"), "{error:?}");

    let (_listener, address) = mute().await;
    let error = probed(std::slice::from_ref(&address)).await;
    assert!(error.to_string().contains(&address) && error.to_string().contains("mute"), "{error}");

    // Reserved by RFC 2606 to never be anybody's.
    let error = probed(&["zookeeper.invalid:2181".to_owned()]).await;
    assert!(error.to_string().contains("name"), "{error}");
    assert!(error.is_retryable(), "names come back: {error}");

    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = stranger.accept().await {
            let mut asked = [0; 4];
            drop(stream.read_exact(&mut asked).await);
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = probed(&[address]).await;
    assert!(error.to_string().contains("no ZooKeeper"), "{error}");
    answering.abort();
}

#[tokio::test]
async fn of_several_hosts_that_all_fail_each_is_named() {
    let refusing = format!("127.0.0.1:{}", ports::free());
    let (_listener, mute) = mute().await;
    let error = probed(&[refusing.clone(), mute.clone(), "zookeeper.invalid:2181".to_owned()]).await.to_string();
    for part in [refusing.as_str(), "can't be connected to", mute.as_str(), "mute", "zookeeper.invalid"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

/// The client spends two fifths of a session on a mute host, when chance puts it first.
#[tokio::test]
async fn dead_and_mute_hosts_are_left_for_one_that_lives() {
    let Some(server) = ZooKeeperServer::start("dead_and_mute_hosts").await else { return };
    let (_listener, mute) = mute().await;
    let hosts = [format!("127.0.0.1:{}", ports::free()), mute, "zookeeper.invalid:1".to_owned(), server.endpoint()];
    for round in 0..6 {
        let registry = ZooKeeperConfig::new(&hosts).connect().unwrap();
        let started = Instant::now();
        let given = Registration::new("book", instance(&format!("{round}"), 1000));
        let handle = soon("register", registry.register(given)).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(3), "after {:?}", started.elapsed());
        soon("deregister", handle.deregister()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_answers_as_few_words_as_can_be_is_asked_all_the_same() {
    let options = ZooKeeperOptions::new().without_words();
    let Some(server) = ZooKeeperServer::start_with("a_server_that_answers_as_few_words", options).await else { return };
    let refusing = format!("127.0.0.1:{}", ports::free());
    let registry = ZooKeeperConfig::new([refusing, server.endpoint()]).connect().unwrap();
    let _handle =
        soon("register", registry.register(Registration::new("book", instance("a", 1000)))).await.expect("it serves");
    let report = soon("probe", registry.probe()).await.unwrap();
    assert!(report.version.starts_with("3.") && report.endpoint == server.endpoint(), "{report:?}");
}

#[tokio::test]
async fn a_probe_names_the_host_and_its_version() {
    let Some(server) = ZooKeeperServer::start("a_probe_names_the_host").await else { return };
    let registry = ZooKeeperConfig::new([server.endpoint()]).connect().unwrap();
    let report = soon("probe", registry.probe()).await.unwrap();
    assert_eq!(report.endpoint, server.endpoint());
    assert!(report.version.starts_with("3."), "{report:?}");
}

#[tokio::test]
async fn connecting_never_waits() {
    let (_listener, mute) = mute().await;
    let started = Instant::now();
    let registry = ZooKeeperConfig::new([mute]).connect().unwrap();
    let handle = registry.register_in_background(Registration::new("book", instance("a", 1000))).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1) && handle.state().is_retrying());
}

#[tokio::test]
async fn a_host_may_be_a_name_or_an_ipv6_address() {
    let Some(server) = ZooKeeperServer::start("a_host_may_be_a_name").await else { return };
    let port = server.address().port();
    let registry = ZooKeeperConfig::new([format!("localhost:{port}")]).connect().unwrap();
    soon("by name", registry.probe()).await.unwrap();
    let error = probed(&[format!("[::1]:{}", ports::free())]).await;
    assert!(error.to_string().contains("[::1]:"), "{error}");
}

/// Two of three are always there; sessions move to another member, and their nodes stay.
#[test]
fn an_ensemble_that_loses_its_leader_loses_nothing() {
    run(async {
        let test = "an_ensemble_that_loses_its_leader_loses_nothing";
        let Some(ensemble) = ZooKeeperEnsemble::start(test).await else { return };
        let env = Url(format!("zookeeper://{}/test-{}?session=8s", ensemble.endpoints(), random_word()));
        leaving_nothing(&env, async {
            let mut fleet = Fleet::of(&env, 8).await;
            for _ in 0..2 {
                let leader = ensemble.leader().await;
                leader.kill();
                fleet.is_whole(&env).await;
                ensemble.restart(leader).await;
                fleet.is_whole(&env).await;
            }
        })
        .await;
    });
}

/// Without a quorum nothing can be written or read; what is known stays, and all is back with the quorum.
#[test]
fn an_ensemble_without_a_quorum_is_an_outage_and_no_more() {
    run(async {
        let test = "an_ensemble_without_a_quorum_is_an_outage";
        let Some(ensemble) = ZooKeeperEnsemble::start(test).await else { return };
        let env = Url(format!("zookeeper://{}/test-{}?session=8s", ensemble.endpoints(), random_word()));
        leaving_nothing(&env, async {
            let mut fleet = Fleet::of(&env, 4).await;
            for member in &ensemble.members()[1..] {
                member.kill();
            }
            for watcher in fleet.watchers() {
                let stale = sd_testkit::waiting::until("stale", watcher, |s| s.freshness().is_stale()).await;
                assert_eq!(stale.len(), 4);
            }
            // A session is not to be had, and the error says why.
            let fresh = env.connect(&ConnectOptions::default());
            let error = soon("probe", fresh.probe()).await.unwrap_err();
            assert!(error.to_string().contains("quorum"), "{error}");
            let members = [&ensemble.members()[1], &ensemble.members()[2]];
            tokio::join!(ensemble.restart(members[0]), ensemble.restart(members[1]));
            fleet.is_whole(&env).await;
            until_ids("the truth", &mut fresh.subscribe(fleet.service()), &["i0000", "i0001", "i0002", "i0003"]).await;
        })
        .await;
    });
}
