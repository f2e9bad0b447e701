//! A handle keeps its registration, and its end is the registration's.

use std::sync::Arc;

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, stays, until, until_ids};

/// "The handle keeps it there": well beyond any TTL, without a gap.
pub async fn a_handle_keeps_its_registration(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut subscription = other.subscribe(&service);
    until_ids("there", &mut subscription, &["a"]).await;
    let time = env.capabilities().watchful_time() * 2;
    stays("it is there", time, &mut subscription, |snapshot| snapshot.get("a").is_some()).await;
    assert!(handle.state().is_registered(), "{handle:?}");
}

/// "The end of one handle never ends another", of the same service, process and connection.
pub async fn the_end_of_one_handle_never_ends_another(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let (service, second) = (random_service(), random_service());
    let mut handles = Vec::new();
    for (port, id) in (1000..).zip(["keeps", "deregistered", "dropped", "drained"]) {
        handles.push(soon("register", registry.register(registration(&service, id, port))).await.unwrap());
    }
    let kept_elsewhere = soon("register", registry.register(registration(&second, "keeps", 1009))).await.unwrap();
    let mut subscription = other.subscribe(&service);
    until_ids("all", &mut subscription, &["deregistered", "drained", "dropped", "keeps"]).await;
    soon("drain", handles.pop().unwrap().drain(std::time::Duration::ZERO)).await.unwrap();
    drop(handles.pop());
    soon("deregister", handles.pop().unwrap().deregister()).await.unwrap();
    until_ids("one", &mut subscription, &["keeps"]).await;
    let time = env.capabilities().watchful_time();
    stays("it is there", time, &mut subscription, |snapshot| snapshot.get("keeps").is_some()).await;
    assert!(handles[0].state().is_registered() && kept_elsewhere.state().is_registered());
    let mut elsewhere = other.subscribe(&second);
    until_ids("the other service", &mut elsewhere, &["keeps"]).await;
}

/// "`deregister().await` removes it": who reads then does not find it, and watchers are told.
pub async fn deregister_is_seen(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("there", &mut watcher, &["a"]).await;
    soon("deregister", handle.deregister()).await.unwrap();
    let known = soon("known", other.subscribe(&service).known()).await;
    assert!(known.is_empty(), "taken back, and still there: {known:?}");
    until_ids("gone", &mut watcher, &[]).await;
}

/// "Drop does the same as a best effort."
pub async fn dropping_the_handle_takes_it_back(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("there", &mut watcher, &["a"]).await;
    drop(handle);
    until_ids("gone", &mut watcher, &[]).await;
}

/// On a thread that knows no runtime, while the connection's own still runs.
pub async fn dropping_the_handle_outside_a_runtime_takes_it_back(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("there", &mut watcher, &["a"]).await;
    std::thread::spawn(move || drop(handle)).join().expect("dropping outside a runtime panicked");
    until_ids("gone", &mut watcher, &[]).await;
}

/// "Outside a runtime it does nothing and does not panic": the runtime that kept it is gone.
pub async fn dropping_the_handle_after_its_runtime_does_not_panic(env: &dyn Environment) {
    let service = random_service();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let left = runtime.block_on(async {
                let registry = env.connect(&ConnectOptions::default());
                let subscription = registry.subscribe(&service);
                let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
                (registry, subscription, handle)
            });
            drop(runtime);
            let (registry, subscription, handle) = left;
            assert!(!subscription.snapshot().freshness().is_stale() || subscription.snapshot().len() <= 1);
            drop(handle);
            // Nothing can come any more, and nothing panics.
            let late = registry.subscribe(&service);
            drop((late, subscription, registry));
        });
        thread.join().expect("something panicked after its runtime was gone");
    });
    if let Fault::Expire { .. } = (Fault::Expire { service: &service, id: "a" }) {
        // Where nothing ends it by itself.
        env.inject(Fault::Expire { service: &service, id: "a" }).await;
    }
    let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
    until_ids("gone, in the end", &mut watcher, &[]).await;
}

/// A handle lives by itself: what it came from may be dropped.
pub async fn a_handle_keeps_its_connection(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    drop(registry);
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    let time = env.capabilities().watchful_time();
    stays("it is kept", time, &mut watcher, |snapshot| snapshot.get("a").is_some()).await;
    soon("update", handle.update(instance("a", 1001))).await.unwrap();
    until("updated", &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(1001))).await;
    soon("deregister", handle.deregister()).await.unwrap();
    until_ids("gone", &mut watcher, &[]).await;
}

/// "After a lost lease, an expired session … it registers anew", again and again; and its neighbours stay.
pub async fn go_kit_1043_reregisters_after_lease_expiry(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let _neighbour = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
    let mut watcher = other.subscribe(&service);
    until_ids("both", &mut watcher, &["a", "b"]).await;
    for round in 0..2 {
        let seen = Arc::new(watcher.snapshot());
        if !env.inject(Fault::Expire { service: &service, id: "a" }).await {
            return not_applicable("entries can't be ended behind their owner's back");
        }
        until("gone", &mut watcher, |snapshot| snapshot.get("a").is_none() || snapshot.version() > seen.version())
            .await;
        until_ids(&format!("back, round {round}"), &mut watcher, &["a", "b"]).await;
        soon("accepted", handle.accepted()).await.unwrap();
    }
}
