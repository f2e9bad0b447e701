//! One connection watches one service once, and leaves nothing behind.

use std::time::Duration;

use crate::environment::{ConnectOptions, Environment};
use crate::samples::{random_service, registration};
use crate::tasks::TaskCount;
use crate::waiting::{eventually, soon, until, until_ids};

/// "One connection watches one service once, however many subscribe."
pub async fn one_watch_serves_all_subscribers(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut first = registry.subscribe(&service);
    soon("known", first.known()).await;
    let (tasks, watches) = (TaskCount::now(), env.watches().await);
    let mut others: Vec<_> = (0..100).map(|_| registry.subscribe(&service)).collect();
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    for other in &mut others {
        until_ids("the same", other, &["a"]).await;
    }
    // The registration may have brought a few; a hundred watches would be a hundred tasks.
    assert!(tasks.further() < 20, "{} further tasks for 100 subscribers", tasks.further());
    assert_eq!(env.watches().await, watches, "watches, as the registry counts them");
}

/// "The watch ends when the last subscriber is gone, after a linger, and leaves no task."
pub async fn a_watch_ends_after_its_linger_and_leaves_no_task(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default().linger(Duration::from_millis(100)));
    // A first one brings whatever the connection keeps for all.
    let mut kept = registry.subscribe(&random_service());
    soon("known", kept.known()).await;
    let (tasks, watches) = (TaskCount::now(), env.watches().await);
    for _ in 0..20 {
        let mut subscription = registry.subscribe(&random_service());
        soon("known", subscription.known()).await;
    }
    tasks.restored("twenty services were watched and are no more").await;
    eventually("the registry counts no more watches", async || env.watches().await <= watches).await;
}

/// "… after a linger": who comes back in time finds everything as it was.
pub async fn a_subscriber_within_the_linger_finds_the_watch_alive(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default().linger(Duration::from_secs(60)));
    let service = random_service();
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut subscription = registry.subscribe(&service);
    until_ids("known", &mut subscription, &["a"]).await;
    drop(subscription);
    let again = registry.subscribe(&service).snapshot();
    assert!(again.freshness().is_live() && again.len() == 1, "not known at once: {again:?}");
}

/// A subscription lives by itself: what it came from may be dropped.
pub async fn a_subscription_keeps_its_connection(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut subscription = registry.subscribe(&service);
    drop(registry);
    let _handle = soon("register", other.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("the change", &mut subscription, &["a"]).await;
}

/// Registrations, watches and the connection: when the last is dropped, all tasks end.
pub async fn go_kit_stop_leaks_no_task(env: &dyn Environment) {
    let before = TaskCount::now();
    for _ in 0..5 {
        let registry = env.connect(&ConnectOptions::default());
        let service = random_service();
        let mut subscription = registry.subscribe(&service);
        let catalog = registry.subscribe_services();
        let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        until_ids("known", &mut subscription, &["a"]).await;
        drop(registry);
        drop(handle);
        until_ids("taken back", &mut subscription, &[]).await;
        drop((subscription, catalog));
    }
    before.restored("five connections were made and dropped").await;
}

/// Services do not wait for one another.
pub async fn many_services_are_watched_by_one_connection(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let services: Vec<_> = (0..40).map(|_| random_service()).collect();
    let mut subscriptions: Vec<_> = services.iter().map(|service| registry.subscribe(service)).collect();
    let mut handles = Vec::new();
    for (port, service) in (1000..).zip(&services) {
        handles.push(soon("register", other.register(registration(service, service.as_str(), port))).await.unwrap());
    }
    for (subscription, service) in subscriptions.iter_mut().zip(&services) {
        let seen = until("its own instance", subscription, |snapshot| snapshot.len() == 1).await;
        assert!(seen.get(service.as_str()).is_some(), "{seen:?}");
    }
}
