//! Going without losing a call: drain, then deregister.

use std::time::Duration;

use sd_core::{Health, Snapshot, Subscription};
use tokio::time::Instant;

use crate::environment::{ConnectOptions, Environment};
use crate::mount::not_applicable;
use crate::samples::{random_service, registration};
use crate::waiting::{soon, until_ids};

/// What a watcher saw of instance `a`, one after the other, from now until it was gone.
fn life_of_a(mut watcher: Subscription) -> impl Future<Output = Vec<Option<Health>>> {
    let health = |snapshot: &Snapshot| snapshot.get("a").map(|instance| instance.health());
    // Before the future is first polled: by then it may be draining already.
    let mut seen = vec![health(&watcher.snapshot())];
    async move {
        while seen.last() != Some(&None) {
            let now = health(&soon("the instance's end", watcher.changed()).await.expect("not ended"));
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        seen
    }
}

/// "`drain(grace)` marks it draining, waits `grace` so that watchers can have seen it, then deregisters."
pub async fn watchers_see_draining_before_the_end(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    let life = tokio::spawn(life_of_a(watcher));
    let grace = Duration::from_secs(2);
    soon("drain", handle.drain(grace)).await.unwrap();
    let seen = soon("the end", life).await.unwrap();
    let wanted = [Some(Health::Up), Some(Health::Draining), None];
    if env.capabilities().details { assert_eq!(seen, wanted) } else { assert_eq!(seen, [wanted[0], None]) }
}

/// "… waits `grace`": not less, and where health can't be told the grace comes after the end.
pub async fn a_drain_waits_its_grace(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("there", &mut watcher, &["a"]).await;
    let grace = Duration::from_millis(600);
    let started = Instant::now();
    let draining = tokio::spawn(handle.drain(grace));
    until_ids("gone", &mut watcher, &[]).await;
    if env.capabilities().details {
        assert!(started.elapsed() >= grace, "gone after {:?}", started.elapsed());
    }
    soon("drain", draining).await.unwrap().unwrap();
    assert!(started.elapsed() >= grace, "it resolved after {:?}", started.elapsed());
}

/// "A drain whose future is dropped is cut short: the registration is taken back at once."
pub async fn a_drain_that_is_dropped_is_cut_short(env: &dyn Environment) {
    if !env.capabilities().details {
        return not_applicable("without health there is nothing to cut short");
    }
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("there", &mut watcher, &["a"]).await;
    let draining = tokio::spawn(handle.drain(Duration::from_secs(3600)));
    crate::waiting::until("draining", &mut watcher, |snapshot| {
        snapshot.get("a").is_some_and(|instance| instance.health() == Health::Draining)
    })
    .await;
    draining.abort();
    until_ids("gone", &mut watcher, &[]).await;
}
