//! Random writes and random faults, and in the end every view is the truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::time::Duration;

use etcd_client::{Client, Txn, TxnOp};
use sd_core::{Codec, Instancer, Randomness, Registrar, Registration, RegistrationState, SeededRandomness};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::EtcdServer;
use sd_testkit::proxy::TcpProxy;
use sd_testkit::samples::instance;
use sd_testkit::waiting::{until, until_state};

const ROUNDS: u64 = 30;

/// The ids that the registry holds, as a reader must see them.
async fn truth(server: &EtcdServer) -> BTreeSet<String> {
    let entries = server.gateway().list("/services/book/").await;
    let ids = entries.iter().filter_map(|(_, value, _)| Codec::decode(value.as_bytes()).ok());
    ids.map(|entry| entry.instance.id().to_owned()).collect()
}

/// A few writes, some of them together; plain values, whose keys share few addresses, and unreadable ones.
async fn write(client: &mut Client, randomness: &SeededRandomness) {
    for _ in 0..40 {
        let draw = randomness.next_u64();
        let mut keys = BTreeSet::new();
        let ops: Vec<_> = (0..draw % 5 + 1)
            .filter_map(|_| {
                let draw = randomness.next_u64();
                let key = format!("/services/book/k{}", draw % 60);
                keys.insert(key.clone()).then(|| match draw >> 32 & 7 {
                    0..3 => TxnOp::delete(key, None),
                    3 => TxnOp::put(key, "{", None),
                    _ => TxnOp::put(key, format!("127.0.0.1:{}", 1 + (draw >> 40) % 25), None),
                })
            })
            .collect();
        // A write that falls into an outage is lost, and that is part of it.
        drop(client.txn(Txn::new().and_then(ops)).await);
    }
}

#[tokio::test]
async fn after_random_writes_and_faults_every_view_is_the_truth() {
    let Some(server) = EtcdServer::start("after_random_writes_and_faults").await else { return };
    let seed = std::env::var("SD_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed} (SD_TEST_SEED)");
    let randomness = SeededRandomness::new(seed);
    let proxy = TcpProxy::start(server.address());
    let config = EtcdConfig::new([proxy.address().to_string()]).ttl(Duration::from_secs(5));
    let staleness = sd_core::StalenessPolicy::default().hold_share(1.0).unwrap();
    let registry = config.staleness(staleness).connect().unwrap();
    let mut handle = registry.register(Registration::new("book", instance("ours", 1))).await.unwrap();
    let mut book = registry.subscribe(&"book".parse().unwrap());
    let mut client = Client::connect([server.endpoint()], None).await.unwrap();
    for round in 0..ROUNDS {
        write(&mut client, &randomness).await;
        match randomness.next_u64() % 6 {
            0 => proxy.cut(),
            1 => server.gateway().compact().await,
            2 => {
                proxy.cut();
                write(&mut client, &randomness).await;
                server.gateway().compact().await;
            }
            3 => server.restart().await,
            4 if round % 3 == 0 => server.restart_empty_as_the_same_cluster().await,
            _ => {}
        }
        write(&mut client, &randomness).await;
        until_state("registered", &mut handle, RegistrationState::is_registered).await;
        let held = truth(&server).await;
        if round % 5 == 0 {
            let is_held = |ids: &BTreeSet<String>, s: &sd_core::Snapshot| {
                s.freshness().is_live() && s.iter().map(|i| i.id()).eq(ids.iter().map(String::as_str))
            };
            // Our own entry may be on its way back, so the truth is asked for again.
            let mut held = held;
            while tokio::time::timeout(Duration::from_secs(2), until("the truth", &mut book, |s| is_held(&held, s)))
                .await
                .is_err()
            {
                let now = truth(&server).await;
                assert!(now != held || !book.snapshot().freshness().is_live(), "round {round}: {:?}", book.snapshot());
                held = now;
            }
        }
    }
    sd_testkit::waiting::eventually("ours is back", async || truth(&server).await.contains("ours")).await;
    let held = truth(&server).await;
    let seen = until("the truth", &mut book, |s| {
        s.freshness().is_live() && s.iter().map(|i| i.id()).eq(held.iter().map(String::as_str))
    })
    .await;
    let entries = server.gateway().list("/services/book/").await;
    let unreadable = entries.iter().filter(|(_, value, _)| value == "{").count();
    assert_eq!(seen.skipped(), unreadable);
}
