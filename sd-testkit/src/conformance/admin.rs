//! Acting on others' instances, and asking whether the registry is there.

use std::time::Duration;

use sd_core::{ErrorKind, Health};
use tokio::time::Instant;

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{random_service, registration};
use crate::waiting::{soon, until, until_ids};

/// The bound that the contracts give, and some room for a busy machine.
const BOUND: Duration = Duration::from_secs(8);

/// "Marks an instance as draining"; its neighbours, and those whose ids begin alike, stay as they are.
pub async fn draining_another_marks_that_one_alone(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let _a = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let _aa = soon("register", registry.register(registration(&service, "aa", 1001))).await.unwrap();
    if !env.capabilities().details {
        let error = soon("drain", other.drain(&service, "a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return;
    }
    let mut watcher = registry.subscribe(&service);
    soon("drain", other.drain(&service, "a")).await.unwrap();
    let drained = |id: &str, snapshot: &sd_core::Snapshot| snapshot.get(id).map(|i| i.health() == Health::Draining);
    let seen = until("draining", &mut watcher, |snapshot| drained("a", snapshot) == Some(true)).await;
    assert_eq!(drained("aa", &seen), Some(false), "{seen:?}");
    let time = env.capabilities().watchful_time();
    // "Its owner keeps it so until it writes it anew": heartbeats don't.
    crate::waiting::stays("it stays so", time, &mut watcher, |snapshot| drained("a", snapshot) == Some(true)).await;
}

/// "Takes an instance away", and no other.
pub async fn deregistering_another_takes_that_one_alone(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut a = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let aa = soon("register", registry.register(registration(&service, "aa", 1001))).await.unwrap();
    let mut watcher = registry.subscribe(&service);
    until_ids("both", &mut watcher, &["a", "aa"]).await;
    soon("deregister", other.deregister(&service, "a")).await.unwrap();
    // Its owner lives and puts it back, perhaps before a watcher has looked; but the owner notices.
    let neighbour_stands = async {
        loop {
            let snapshot = soon("changed", watcher.changed()).await.expect("not ended");
            assert!(snapshot.get("aa").is_some(), "a neighbour was taken: {snapshot:?}");
        }
    };
    tokio::select! {
        state = soon("noticed", a.changed()) => drop(state.expect("not ended")),
        () = neighbour_stands => {}
    }
    until_ids("both again", &mut watcher, &["a", "aa"]).await;
    assert!(aa.state().is_registered(), "{aa:?}");
}

/// "An owner that lives registers it again."
pub async fn an_owner_that_lives_registers_anew(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    soon("deregister", other.deregister(&service, "a")).await.unwrap();
    let mut watcher = other.subscribe(&service);
    until_ids("back", &mut watcher, &["a"]).await;
    soon("accepted", handle.accepted()).await.unwrap();
    soon("deregister", handle.deregister()).await.unwrap();
    until_ids("gone", &mut watcher, &[]).await;
}

/// "An id that is not there is `NotFound`", and nothing changes.
pub async fn an_unknown_id_is_not_found(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let _a = soon("register", registry.register(registration(&service, "aa", 1000))).await.unwrap();
    for (service, id) in [(&service, "a"), (&service, "aaa"), (&random_service(), "aa")] {
        let error = soon("deregister", registry.deregister(service, id)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(id), "{error} does not name {id}");
        if env.capabilities().details {
            let error = soon("drain", registry.drain(service, id)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    }
    let known = soon("known", registry.subscribe(&service).known()).await;
    assert!(known.len() == 1 && known.iter().all(|i| i.health() == Health::Up), "{known:?}");
}

/// "Makes one small request."
pub async fn a_probe_tells_latency_and_version(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let report = soon("probe", registry.probe()).await.unwrap();
    assert!(report.latency < BOUND, "{report:?}");
    assert!(report.version.starts_with(|c: char| c.is_ascii_digit()), "{report:?}");
}

/// "Each is bounded to 5 s", and says that the registry can't be reached.
pub async fn administration_and_probe_fail_in_time_during_an_outage(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let _a = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    // One that falls silent is worse than one that is gone.
    let silent = env.inject(Fault::Pause).await;
    if !silent && !env.inject(Fault::Down).await {
        return not_applicable("this registry can't be taken down");
    }
    let started = Instant::now();
    let (probe, services) = (registry.probe(), registry.services());
    let (drain, deregister) = (registry.drain(&service, "a"), registry.deregister(&service, "a"));
    let (probe, services, drain, deregister) =
        soon("all four", async { tokio::join!(probe, services, drain, deregister) }).await;
    let errors = [probe.unwrap_err(), services.unwrap_err(), drain.unwrap_err(), deregister.unwrap_err()];
    for error in errors {
        // Some can know without asking that they can't.
        let allowed = [ErrorKind::Unavailable, ErrorKind::Unsupported];
        assert!(allowed.contains(&error.kind()), "{error}");
    }
    assert!(started.elapsed() < BOUND, "after {:?}", started.elapsed());
    assert!(env.inject(if silent { Fault::Resume } else { Fault::Up }).await);
}
