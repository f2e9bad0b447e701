//! Empty, unknown and failed are three different states, and an outage takes nothing away.

use std::time::Duration;

use sd_core::{Basis, Registration, RegistrationState, StalenessPolicy};
use tokio::time::timeout;

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, until, until_ids, until_state};

/// Says so where a registry can't be taken down.
async fn goes_down(env: &dyn Environment) -> bool {
    let down = env.inject(Fault::Down).await;
    if !down {
        not_applicable("this registry can't be taken down");
    }
    down
}

/// Pending with an error, live and empty, stale and empty: never the same.
pub async fn unknown_empty_and_failed_are_three_states(env: &dyn Environment) {
    if !goes_down(env).await {
        return;
    }
    let registry = env.connect(&ConnectOptions::default());
    let mut subscription = registry.subscribe(&random_service());
    let unknown = until("an error", &mut subscription, |snapshot| snapshot.freshness().error().is_some()).await;
    assert!(unknown.freshness().is_pending() && *unknown.basis() == Basis::Unknown, "{unknown:?}");
    assert!(env.inject(Fault::Up).await);
    let empty = until("live", &mut subscription, |snapshot| snapshot.freshness().is_live()).await;
    assert!(empty.is_empty() && *empty.basis() == Basis::Registry, "{empty:?}");
    assert!(env.inject(Fault::Down).await);
    let failed = until("stale", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    assert!(failed.is_empty() && *failed.basis() == Basis::LastKnownGood, "{failed:?}");
    assert!(failed.freshness().error().is_some() && failed.freshness().age().is_some(), "{failed:?}");
    assert!(env.inject(Fault::Up).await);
    until_ids("live again", &mut subscription, &[]).await;
}

/// "While a registry is out of reach the last known instances stay, marked `Stale`."
pub async fn spring_1215_outage_keeps_instances(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    let known = until_ids("known", &mut subscription, &["a"]).await;
    if !goes_down(env).await {
        return;
    }
    let stale = until("stale", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    assert_eq!(*stale.basis(), Basis::LastKnownGood, "{stale:?}");
    assert!(std::sync::Arc::ptr_eq(known.get("a").unwrap(), stale.get("a").expect("it stays")));
    // Longer than any TTL: nothing takes it away.
    let time = env.capabilities().watchful_time();
    crate::waiting::stays("it stays", time, &mut subscription, |snapshot| snapshot.get("a").is_some()).await;
    assert!(env.inject(Fault::Up).await);
    until_ids("live again", &mut subscription, &["a"]).await;
    soon("accepted", handle.accepted()).await.unwrap();
}

/// "… also for one who subscribes during the outage."
pub async fn who_subscribes_during_an_outage_sees_the_last_known(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    until_ids("known", &mut subscription, &["a"]).await;
    if !goes_down(env).await {
        return;
    }
    until("stale", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    drop(subscription);
    let late = registry.subscribe(&service).snapshot();
    assert!(late.freshness().is_stale() && late.get("a").is_some(), "{late:?}");
    assert!(env.inject(Fault::Up).await);
    until_ids("live again", &mut registry.subscribe(&service), &["a"]).await;
}

/// "While the registry can't be reached `register` waits and retries, and the caller bounds it."
pub async fn register_waits_for_the_registry(env: &dyn Environment) {
    if !goes_down(env).await {
        return;
    }
    let registry = env.connect(&ConnectOptions::default());
    let (service, given_up) = (random_service(), random_service());
    let mut registering = registry.register(registration(&service, "a", 1000));
    let too_soon = timeout(Duration::from_secs(1), &mut registering).await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    let bounded = timeout(Duration::from_millis(500), registry.register(registration(&given_up, "a", 1001))).await;
    assert!(bounded.is_err(), "{bounded:?}");
    assert!(env.inject(Fault::Up).await);
    let _handle = soon("register", registering).await.unwrap();
    until_ids("there", &mut registry.subscribe(&service), &["a"]).await;
    until_ids("given up, so not there", &mut registry.subscribe(&given_up), &[]).await;
}

/// "… so that a service can boot while its registry is down"; what is in the way stands in its state.
pub async fn a_service_boots_while_its_registry_is_down(env: &dyn Environment) {
    if !goes_down(env).await {
        return;
    }
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut handle = registry.register_in_background(registration(&service, "a", 1000)).unwrap();
    assert!(handle.state().is_retrying(), "{handle:?}");
    let failing = |state: &RegistrationState| matches!(state, RegistrationState::Retrying { error: Some(_), .. });
    until_state("an error", &mut handle, failing).await;
    assert!(env.inject(Fault::Up).await);
    soon("accepted", handle.accepted()).await.unwrap();
    until_ids("there", &mut registry.subscribe(&service), &["a"]).await;
}

/// "While the registry can't be reached it waits; the change is made all the same when the caller stops waiting."
pub async fn an_update_during_an_outage_is_made_after_it(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let abandoned = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
    if !goes_down(env).await {
        return;
    }
    // Asked, and no longer waited for.
    let unanswered = timeout(Duration::from_millis(300), abandoned.update(instance("b", 2001))).await;
    assert!(unanswered.is_err() || unanswered.is_ok_and(|answer| answer.is_ok()), "an outage is no refusal");
    let updating = tokio::spawn(async move {
        let updated = handle.update(instance("a", 2000)).await;
        (handle, updated)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(env.inject(Fault::Up).await);
    let (_handle, updated) = soon("update", updating).await.unwrap();
    updated.unwrap();
    let mut subscription = registry.subscribe(&service);
    until("both changed", &mut subscription, |snapshot| {
        let port = |id| snapshot.get(id).and_then(|instance| instance.address().port());
        snapshot.freshness().is_live() && port("a") == Some(2000) && port("b") == Some(2001)
    })
    .await;
}

/// "… and says whether that worked", within 3 s; and once the registry is back the entry ends all the same.
pub async fn deregistering_during_an_outage_says_that_it_did_not_work(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let dropped = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    until_ids("both", &mut subscription, &["a", "b"]).await;
    if !goes_down(env).await {
        return;
    }
    drop(dropped);
    let answer = timeout(Duration::from_secs(8), handle.deregister()).await.expect("it is bounded to 3 s");
    answer.expect_err("it can't have worked");
    assert!(env.inject(Fault::Up).await);
    // A third one shows that the view is live, and not held.
    let _c = soon("register", registry.register(registration(&service, "c", 1002))).await.unwrap();
    let mut fresh = env.connect(&ConnectOptions::default()).subscribe(&service);
    until_ids("the truth", &mut fresh, &["c"]).await;
}

/// "Stale sets are kept, without limit (option: invalidate after a time)."
pub async fn stale_sets_can_be_dropped_after_a_time(env: &dyn Environment) {
    let policy = StalenessPolicy::default().invalidate_after(Duration::from_millis(500));
    let registry = env.connect(&ConnectOptions::default().staleness(policy));
    let service = random_service();
    let given = Registration::new(service.as_str(), instance("a", 1000));
    let _handle = soon("register", registry.register(given)).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    until_ids("known", &mut subscription, &["a"]).await;
    if !goes_down(env).await {
        return;
    }
    let dropped = until("dropped", &mut subscription, |snapshot| *snapshot.basis() == Basis::Invalidated).await;
    assert!(dropped.is_empty() && dropped.freshness().is_stale(), "{dropped:?}");
    assert!(env.inject(Fault::Up).await);
    until_ids("live again", &mut subscription, &["a"]).await;
}
