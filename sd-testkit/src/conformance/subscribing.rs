//! State, not events: what a subscriber sees, and when.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Basis, Delta, Instance, ServiceName};
use tokio::time::timeout;

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, stays, until, until_ids};

/// How long a call that answers at once may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// "`subscribe` answers at once, never fails and never blocks", the registry being there or not.
pub async fn subscribe_answers_at_once(env: &dyn Environment) {
    let went_down = env.inject(Fault::Down).await;
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let asked = tokio::task::spawn_blocking(move || registry.subscribe(&service));
    let subscription = timeout(AT_ONCE, asked).await.expect("subscribe blocked").expect("subscribe panicked");
    assert!(subscription.snapshot().is_empty());
    let mut reader = subscription.clone();
    timeout(AT_ONCE, reader.changed()).await.expect("the first `changed` answers at once").expect("it has not ended");
    if went_down {
        assert!(subscription.snapshot().freshness().is_pending(), "nothing can be known: {subscription:?}");
    }
}

/// "… inside a runtime or not": the connection keeps its own.
pub async fn subscribe_works_outside_a_runtime(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let elsewhere = std::thread::spawn(move || registry.subscribe(&service));
    let mut subscription = elsewhere.join().expect("subscribing outside a runtime panicked");
    until_ids("the registered one", &mut subscription, &["a"]).await;
}

/// Pending, until the registry has said that there is nobody: then live and empty.
pub async fn a_service_that_nobody_serves_becomes_live_and_empty(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let mut subscription = registry.subscribe(&random_service());
    let first = subscription.snapshot();
    assert!(first.freshness().is_live() || *first.basis() == Basis::Unknown, "{first:?}");
    let known = soon("known", subscription.known()).await;
    assert!(known.freshness().is_live() && known.is_empty() && *known.basis() == Basis::Registry, "{known:?}");
}

/// "Instances are unique by id and iterated in the ids' order."
pub async fn instances_are_unique_and_in_the_order_of_their_ids(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut handles = Vec::new();
    for (port, id) in (2000..).zip(["b", "a10", "a9", "Z", "a", "ä"]) {
        let from = if port % 2 == 0 { &registry } else { &other };
        handles.push(soon("register", from.register(registration(&service, id, port))).await.unwrap());
    }
    // The same id once more, elsewhere: one instance still.
    handles.push(soon("register", other.register(registration(&service, "a9", 2999))).await.unwrap());
    let mut subscription = registry.subscribe(&service);
    let seen = until("six, with the newest a9", &mut subscription, |snapshot| {
        snapshot.len() == 6 && snapshot.get("a9").is_some_and(|i| i.address().port() == Some(2999))
    })
    .await;
    let ids: Vec<_> = seen.iter().map(|instance| instance.id()).collect();
    assert_eq!(ids, ["Z", "a", "a10", "a9", "b", "ä"]);
}

/// "Subscribers see the latest state and coalesce."
pub async fn a_slow_reader_sees_the_newest_state_and_none_in_between(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut slow = registry.subscribe(&service);
    let mut quick = slow.clone();
    until_ids("the first", &mut slow, &["a"]).await;
    while timeout(Duration::from_millis(50), slow.changed()).await.is_ok() {}
    for port in 1001..1030 {
        soon("update", handle.update(instance("a", port))).await.unwrap();
    }
    let is_last = |port: Option<u16>| port == Some(1029);
    until("the last", &mut quick, |s| s.get("a").is_some_and(|i| is_last(i.address().port()))).await;
    let seen = soon("changed", slow.changed()).await.expect("not ended");
    assert!(is_last(seen.get("a").and_then(|i| i.address().port())), "not the newest: {seen:?}");
    assert!(timeout(Duration::from_millis(100), slow.changed()).await.is_err(), "it was told of the same state twice");
}

/// "Nobody can block a publisher by not reading."
pub async fn go_kit_626_unread_subscriber_blocks_nobody(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let unread: Vec<_> = (0..50).map(|_| registry.subscribe(&service)).collect();
    let mut reader = registry.subscribe(&service);
    for round in 0..10 {
        let handle = soon("register", registry.register(registration(&service, "a", 1000 + round))).await.unwrap();
        until_ids("there", &mut reader, &["a"]).await;
        soon("deregister", handle.deregister()).await.unwrap();
        until_ids("gone", &mut reader, &[]).await;
    }
    assert!(unread.iter().all(|subscription| subscription.snapshot().is_empty()), "they see the same when they look");
}

/// "Deltas are derived", and applied one after another they lead to the truth.
pub async fn deltas_lead_from_each_snapshot_to_the_next(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut subscription = registry.subscribe(&service);
    let churn = async {
        let mut handles = Vec::new();
        for port in 1000..1020_u16 {
            let id = format!("i{}", port % 7);
            handles.push(soon("register", registry.register(registration(&service, &id, port))).await.unwrap());
            if port % 3 == 0 {
                soon("deregister", handles.remove(0).deregister()).await.unwrap();
            }
        }
        soon("the end mark", registry.register(registration(&service, "last", 999)))
            .await
            .map(|h| (handles, h))
            .unwrap()
    };
    let follow = async {
        let mut known = subscription.snapshot();
        let mut applied: std::collections::BTreeMap<String, Arc<Instance>> =
            known.iter().map(|i| (i.id().to_owned(), Arc::clone(i))).collect();
        loop {
            let next = soon("changed", subscription.changed()).await.expect("not ended");
            let delta = Delta::between(&known, &next);
            for gone in &delta.removed {
                assert!(applied.remove(gone.id()).is_some(), "{} was not there", gone.id());
            }
            for new in delta.added.iter().chain(&delta.changed) {
                applied.insert(new.id().to_owned(), Arc::clone(new));
            }
            assert!(applied.values().eq(next.iter()), "the delta {delta:?} does not lead to {next:?}");
            known = next;
            if known.get("last").is_some() {
                return;
            }
        }
    };
    let (_handles, ()) = tokio::join!(churn, follow);
}

/// "An instance that did not change keeps its `Arc`."
pub async fn an_instance_that_did_not_change_keeps_its_arc(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut subscription = registry.subscribe(&service);
    let _a = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let before = until_ids("one", &mut subscription, &["a"]).await;
    let _b = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
    let after = until_ids("two", &mut subscription, &["a", "b"]).await;
    assert!(Arc::ptr_eq(before.get("a").unwrap(), after.get("a").unwrap()), "it was copied");
}

/// Heartbeats, and what happens to other services, are no news.
pub async fn nothing_is_published_when_nothing_changes(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let (service, other) = (random_service(), random_service());
    let _a = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    let version = until_ids("one", &mut subscription, &["a"]).await.version();
    let _b = soon("register", registry.register(registration(&other, "b", 1001))).await.unwrap();
    let time = env.capabilities().watchful_time();
    stays("no publication", time, &mut subscription, |snapshot| snapshot.version() == version).await;
}

/// `book` is not `book-store`, whatever stands behind the name in a key.
pub async fn services_with_a_common_beginning_are_told_apart(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let relatives = ["-store", ".v2", "0", "_"].map(|end| format!("{service}{end}"));
    let mut handles = vec![soon("register", registry.register(registration(&service, "own", 1000))).await.unwrap()];
    for (port, relative) in (1001..).zip(&relatives) {
        let relative: ServiceName = relative.parse().unwrap();
        handles
            .push(soon("register", registry.register(registration(&relative, relative.as_str(), port))).await.unwrap());
    }
    let mut subscription = registry.subscribe(&service);
    until_ids("its own alone", &mut subscription, &["own"]).await;
    for relative in &relatives {
        let mut subscription = registry.subscribe(&relative.parse().unwrap());
        until_ids("its own alone", &mut subscription, &[relative]).await;
    }
}

/// More than fits one page of anything.
pub async fn hundreds_of_instances_arrive(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut early = registry.subscribe(&service);
    let all =
        (0..300_u16).map(|number| registry.register(registration(&service, &format!("{number:03}"), 1000 + number)));
    let registering: Vec<_> = all.collect();
    let mut handles = Vec::new();
    for registering in registering {
        handles.push(soon("register", registering).await.unwrap());
    }
    let seen = until("all, as they came", &mut early, |snapshot| snapshot.len() == 300).await;
    let mut late = other.subscribe(&service);
    let listed = until("all, at once", &mut late, |snapshot| snapshot.len() == 300).await;
    assert!(seen.iter().eq(listed.iter()), "the two views differ");
}

/// "A value that can't be decoded is skipped and counted; it never fails the list."
pub async fn kratos_one_bad_value_does_not_fail_the_list(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    if !env.inject(Fault::Plant { service: &service, id: "bad", value: "{\"v\":1," }).await {
        return not_applicable("nothing unreadable can be put there");
    }
    let _good = soon("register", registry.register(registration(&service, "good", 1000))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    until("the good one, and a count", &mut subscription, |snapshot| {
        snapshot.len() == 1 && snapshot.get("good").is_some() && snapshot.skipped() == 1
    })
    .await;
    env.inject(Fault::Plant { service: &service, id: "worse", value: "\u{0}" }).await;
    until("both counted, as a change", &mut subscription, |snapshot| snapshot.len() == 1 && snapshot.skipped() == 2)
        .await;
    env.inject(Fault::Plant { service: &service, id: "bad", value: "127.0.0.1:1002" }).await;
    until("mended", &mut subscription, |snapshot| snapshot.len() == 2 && snapshot.skipped() == 1).await;
}
