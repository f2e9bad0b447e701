//! Blocking queries against an agent that plays every trick there is: indexes that go back, silence, haste.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::time::Duration;

use sd_consul::ConsulConfig;
use sd_core::{Basis, Catalog as _, ErrorKind, Instancer as _, Subscription};
use sd_testkit::waiting::{eventually, soon, until, until_catalog, until_ids};
use serde_json::json;
use support::fake::{FakeAgent, Reply, entries, index_of};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn config(agent: &FakeAgent) -> ConsulConfig {
    ConsulConfig::new(agent.address.to_string()).wait(Duration::from_secs(1))
}

fn watched(config: ConsulConfig) -> Subscription {
    config.connect().unwrap().subscribe(&"web".parse().unwrap())
}

/// An index that goes back is asked for from nothing again; and what is missing then is held, as after any break.
#[tokio::test]
async fn go_kit_997_an_index_that_goes_back_is_read_anew_and_what_is_missing_is_held() {
    let agent = FakeAgent::start(|target, number| match (number, index_of(target)) {
        (0, None) => Reply::List(21, entries(1..11)),
        (1, Some(21)) => Reply::List(11, entries(1..2)),
        (2, None) => Reply::List(11, entries(1..2)),
        (3, Some(11)) => Reply::List(12, entries(1..11)),
        _ => Reply::Silence,
    })
    .await;
    let mut web = watched(config(&agent));
    until("ten", &mut web, |snapshot| snapshot.len() == 10).await;
    let following = tokio::spawn(async move {
        loop {
            let snapshot = web.changed().await.unwrap();
            assert_eq!(snapshot.len(), 10, "emptied: {snapshot:?}");
            if snapshot.freshness().is_stale()
                && !matches!(snapshot.freshness().error().unwrap().kind(), ErrorKind::Protocol)
            {
                // The silence at the end.
                return;
            }
        }
    });
    eventually("all are asked for", async || agent.asked().len() >= 5).await;
    soon("followed to the end", following).await.unwrap();
    let asked: Vec<_> = agent.asked().iter().take(5).map(|(_, target)| index_of(target)).collect();
    assert_eq!(asked, [None, Some(21), None, Some(11), Some(12)]);
}

/// What stays gone after an index went back goes when the hold is over.
#[tokio::test]
async fn what_does_not_come_back_goes_when_it_was_held_long_enough() {
    let agent = FakeAgent::start(|_, number| match number {
        0 => Reply::List(21, entries(1..11)),
        1 | 2 => Reply::List(11, entries(1..2)),
        _ => Reply::Silence,
    })
    .await;
    let policy = sd_core::StalenessPolicy::default().hold_grace(Duration::from_millis(300));
    let mut web = watched(config(&agent).wait(Duration::from_secs(60)).staleness(policy));
    until("held", &mut web, |snapshot| matches!(snapshot.basis(), Basis::Held { missing: 9, .. })).await;
    until_ids("what is left", &mut web, &["127.0.0.1:1"]).await;
}

/// A query that is answered neither with news nor at the end of its wait is given up: wait × 17/16 and 2.5 s.
#[tokio::test]
async fn a_mute_agent_is_noticed_within_the_documented_bound() {
    let agent = FakeAgent::start(|_, number| match number {
        0 => Reply::List(21, entries(1..3)),
        _ => Reply::Silence,
    })
    .await;
    let mut web = watched(config(&agent));
    until("live", &mut web, |snapshot| snapshot.freshness().is_live()).await;
    let silent_since = Instant::now();
    let stale = until("stale", &mut web, |snapshot| snapshot.freshness().is_stale()).await;
    let noticed = silent_since.elapsed();
    assert_eq!(stale.len(), 2);
    // The request timeout, 5 s, where it is longer.
    assert!(noticed >= Duration::from_secs(4) && noticed < Duration::from_secs(8), "after {noticed:?}");
    assert_eq!(stale.freshness().error().unwrap().kind(), ErrorKind::Unavailable);
}

/// An agent that answers every query at once, with an index that grows and nothing new, is not asked without end.
#[tokio::test]
async fn go_kit_1214_an_agent_that_always_answers_at_once_is_not_asked_without_end() {
    for index_grows in [true, false] {
        let agent = FakeAgent::start(move |_, number| {
            Reply::List(if index_grows { 100 + number as u64 } else { 0 }, entries(1..3))
        })
        .await;
        let mut web = watched(config(&agent));
        until("live", &mut web, |snapshot| snapshot.freshness().is_live()).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let asked = agent.asked().len();
        assert!((4..=12).contains(&asked), "{asked} queries in 4 s");
    }
}

/// While nobody is there, nothing spins: not the watch, not a registration.
#[tokio::test]
async fn go_kit_627_an_agent_that_is_away_is_not_hammered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = ConsulConfig::new(address.to_string()).connect().unwrap();
    let _web = registry.subscribe(&"web".parse().unwrap());
    let given = sd_core::Registration::new("web", sd_testkit::samples::instance("a", 80));
    let _handle = sd_core::Registrar::register_in_background(&registry, given).unwrap();
    let begun = Instant::now();
    let mut connections = 0;
    while let Ok(Ok((stream, _))) = tokio::time::timeout_at(begun + Duration::from_secs(5), listener.accept()).await {
        connections += 1;
        drop(stream);
    }
    assert!((2..60).contains(&connections), "{connections} connections in 5 s");
}

/// An answer that is not JSON, or not Consul's, is a failure and empties nothing.
#[tokio::test]
async fn an_answer_that_is_no_list_changes_nothing() {
    let agent = FakeAgent::start(|_, number| match number {
        0 => Reply::List(21, entries(1..3)),
        1 => Reply::List(22, json!({ "error": "a proxy's page" })),
        2 => Reply::Status(500, "No cluster leader"),
        3 => Reply::Status(429, "Your IP is issuing too many concurrent connections"),
        4 => Reply::List(23, entries(1..4)),
        _ => Reply::Silence,
    })
    .await;
    let mut web = watched(config(&agent));
    until("the third", &mut web, |snapshot| {
        if snapshot.freshness().is_stale() {
            assert_eq!(snapshot.len(), 2, "{snapshot:?}");
        }
        snapshot.len() == 3
    })
    .await;
    assert!(agent.asked().len() >= 5);
}

/// A first answer that is empty is believed only when it is not for lack of rights; where an old Consul can't tell, it
/// is believed, and one that follows a full one is held.
#[tokio::test]
async fn an_empty_answer_that_may_be_for_lack_of_rights_is_held() {
    let agent = FakeAgent::start(|target, number| match number {
        0 => Reply::List(21, entries(1..5)),
        1 => Reply::List(21, json!([])),
        _ if target.contains("authorize") => Reply::Status(404, "Invalid URL path"),
        _ => Reply::Silence,
    })
    .await;
    let mut web = watched(config(&agent).wait(Duration::from_secs(60)));
    let held = until("held", &mut web, |snapshot| matches!(snapshot.basis(), Basis::Held { missing: 4, .. })).await;
    assert_eq!(held.len(), 4);
    let fresh = FakeAgent::start(|target, _| match target.contains("authorize") {
        true => Reply::Status(404, "Invalid URL path"),
        false if index_of(target).is_none() => Reply::List(21, json!([])),
        false => Reply::Silence,
    })
    .await;
    until_ids("believed", &mut watched(config(&fresh)), &[]).await;
}

/// The names of services are watched in the same way.
#[tokio::test]
async fn the_list_of_services_follows_the_same_rules() {
    let names =
        |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!([]))).collect::<serde_json::Value>();
    let agent = FakeAgent::start(move |target, number| match (number, index_of(target)) {
        (0, None) => Reply::List(21, names(&["consul", "a", "b", "not a name"])),
        (1, Some(21)) => Reply::List(11, names(&["a"])),
        (2, None) => Reply::List(11, names(&["a", "c"])),
        _ => Reply::Silence,
    })
    .await;
    let registry = config(&agent).connect().unwrap();
    let mut services = registry.subscribe_services();
    let wanted: std::collections::BTreeSet<_> = ["a", "c"].map(|name| name.parse().unwrap()).into();
    until_catalog("a and c", &mut services, |snapshot| *snapshot.names() == wanted).await;
    eventually("and waits", async || agent.asked().len() == 4).await;
    assert_eq!(index_of(&agent.asked()[3].1), Some(11));
}
