//! Changing what is registered, in place.

use sd_core::{ErrorKind, Health};

use crate::environment::{ConnectOptions, Environment};
use crate::mount::not_applicable;
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, stays, until, until_ids};

/// "`update(instance)` changes weight, metadata or health in place": it is never missing meanwhile.
pub async fn an_update_changes_the_instance_in_place(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let changed = instance("a", 1000).with_weight(7).with_health(Health::Down).with_tag("new").with_metadata("k", "v");
    if !env.capabilities().details {
        let error = soon("update", handle.update(changed)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return not_applicable("this registry carries nothing but addresses");
    }
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    let mut beside = watcher.clone();
    let never_missing = async {
        loop {
            let snapshot = soon("changed", beside.changed()).await.expect("not ended");
            let instance = snapshot.get("a").unwrap_or_else(|| panic!("missing during an update: {snapshot:?}"));
            if instance.weight() == 7 {
                return;
            }
        }
    };
    let (updated, ()) = tokio::join!(soon("update", handle.update(changed.clone())), never_missing);
    updated.unwrap();
    let known = soon("known", env.connect(&ConnectOptions::default()).subscribe(&service).known()).await;
    assert_eq!(**known.get("a").unwrap(), changed, "`update` resolves when the registry has it");
    // And heartbeats carry on with what is new.
    let time = env.capabilities().watchful_time();
    stays("it stays changed", time, &mut watcher, |s| s.get("a").is_some_and(|i| **i == changed)).await;
}

/// Of several updates the last stands, and none overtakes another.
pub async fn updates_come_in_their_order(env: &dyn Environment) {
    if !env.capabilities().details {
        return not_applicable("this registry carries nothing but addresses");
    }
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    let write = async {
        for weight in 2..60 {
            soon("update", handle.update(instance("a", 1000).with_weight(weight))).await.unwrap();
        }
    };
    let read = async {
        let mut last = 1;
        while last < 59 {
            let weight = soon("changed", watcher.changed()).await.expect("not ended").get("a").unwrap().weight();
            assert!(weight >= last, "{weight} after {last}");
            last = weight;
        }
    };
    tokio::join!(write, read);
}

/// What can't be: the registration stays as it was.
pub async fn an_update_to_another_id_or_a_bad_weight_is_refused(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    for bad in [instance("b", 1000), instance("a", 0), instance("a", 1000).with_weight(65_536)] {
        let error = soon("update", handle.update(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    let known = soon("known", registry.subscribe(&service).known()).await;
    assert_eq!(known.iter().map(|i| (**i).clone()).collect::<Vec<_>>(), [instance("a", 1000)]);
    assert!(handle.state().is_registered(), "{handle:?}");
}

/// The address belongs to what may change: the id is what stays.
pub async fn an_update_of_the_address_is_seen(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    soon("update", handle.update(instance("a", 1001))).await.unwrap();
    until("moved", &mut watcher, |s| s.len() == 1 && s.get("a").is_some_and(|i| i.address().port() == Some(1001)))
        .await;
}
