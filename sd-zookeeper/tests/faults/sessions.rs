//! A connection that is lost, and a session that is lost: stale against gone.

use std::time::Duration;

use sd_core::{Basis, RegistrationState, StalenessPolicy};
use sd_testkit::faults::Fleet;
use sd_testkit::proxy::Mode;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{eventually, soon, stays, until, until_ids, until_state};
use sd_testkit::{ConnectOptions, Environment as _, Fault};

use crate::support::with_zookeeper;

/// What is gone is to be seen gone: holding has tests of its own.
fn nothing_held() -> ConnectOptions {
    ConnectOptions::default().staleness(StalenessPolicy::default().hold_share(1.0).unwrap())
}

/// A break that is shorter than the session: sets are stale and live again, and the very same nodes stand.
#[test]
fn a_lost_connection_makes_stale_and_takes_nothing() {
    with_zookeeper("a_lost_connection_makes_stale_and_takes_nothing", async |env| {
        let operator = env.server().operator();
        let mut fleet = Fleet::of(env, 4).await;
        let path = format!("{}/{}/i0000", env.root(), fleet.service());
        let node = operator.get(&path).await.unwrap().unwrap();
        for round in 0..3 {
            // Cut off, killed and paused, each for less than a session.
            match round {
                0 => env.proxy().set(Mode::Refuse).await,
                1 => env.server().kill(),
                _ => env.server().pause(),
            }
            env.proxy().cut();
            for watcher in fleet.watchers() {
                let stale = until("stale", watcher, |snapshot| snapshot.freshness().is_stale()).await;
                assert_eq!((stale.len(), stale.basis().clone()), (4, Basis::LastKnownGood));
            }
            match round {
                0 => env.proxy().set(Mode::Pass).await,
                1 => env.server().restart().await,
                _ => env.server().resume(),
            }
            fleet.is_whole(env).await;
            let now = operator.get(&path).await.unwrap().unwrap();
            // A busy machine may need longer to start a server than the session lasts; then there is another one.
            assert!(now == node || round == 1, "{now:?} {node:?}");
            if now != node {
                return;
            }
        }
    });
}

/// SIGSTOP for longer than the session: it ends as the server wakes, and all is registered anew in another.
#[test]
fn a_lost_session_is_made_anew_as_one() {
    with_zookeeper("a_lost_session_is_made_anew_as_one", async |env| {
        let operator = env.server().operator();
        let registry = env.connect(&nothing_held());
        let (one, two) = (random_service(), random_service());
        let mut handles = Vec::new();
        for (service, id, port) in [(&one, "a", 1), (&one, "b", 2), (&two, "c", 3)] {
            handles.push(soon("register", registry.register(registration(service, id, port))).await.unwrap());
        }
        let mut watchers = [registry.subscribe(&one), registry.subscribe(&two)];
        until_ids("known", &mut watchers[0], &["a", "b"]).await;
        let owner = operator.get(&format!("{}/{one}/a", env.root())).await.unwrap().unwrap().owner;
        env.server().pause();
        for handle in &mut handles {
            let state = until_state("lost", handle, RegistrationState::is_retrying).await;
            let RegistrationState::Retrying { error: Some(error), .. } = state else { panic!("{state:?}") };
            assert!(error.is_retryable(), "{error}");
        }
        env.server().resume();
        for handle in &mut handles {
            soon("accepted", handle.accepted()).await.unwrap();
        }
        until_ids("one", &mut watchers[0], &["a", "b"]).await;
        until_ids("two", &mut watchers[1], &["c"]).await;
        let mut owners = Vec::new();
        for path in
            [format!("{}/{one}/a", env.root()), format!("{}/{one}/b", env.root()), format!("{}/{two}/c", env.root())]
        {
            owners.push(operator.get(&path).await.unwrap().unwrap().owner);
        }
        assert!(
            owners.iter().all(|now| *now == owners[0] && *now != owner),
            "one session for all: {owners:x?}, not {owner:x}"
        );
        eventually("the old session is closed", async || operator.connections().await == 1).await;
    });
}

/// A session is lost while nobody can tell: others see its entries gone, live, and the owner comes back by itself.
#[test]
fn others_see_an_expired_session_gone_and_then_back() {
    with_zookeeper("others_see_an_expired_session_gone_and_then_back", async |env| {
        let registry = env.connect(&nothing_held());
        let service = random_service();
        let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        // Past the proxy, which cuts off the first.
        let direct = format!("zookeeper://{}{}?session=4s", env.server().endpoint(), env.root());
        let other = crate::support::connect(&direct, &nothing_held());
        let mut watcher = other.subscribe(&service);
        until_ids("there", &mut watcher, &["a"]).await;
        assert!(env.inject(Fault::Hold).await);
        let gone = until_ids("gone", &mut watcher, &[]).await;
        assert!(gone.freshness().is_live(), "{gone:?}");
        assert!(env.inject(Fault::Release).await);
        until_ids("back", &mut watcher, &["a"]).await;
        soon("accepted", handle.accepted()).await.unwrap();
        drop((handle, registry));
        until_ids("taken back", &mut watcher, &[]).await;
    });
}

/// dubbo#5135: the session expires, and at the new session's first write the old one's node still stands. The server was
/// away and has given every session its whole time anew, so this is so for certain.
#[test]
fn dubbo_5135_session_expiry_and_node_exists_race() {
    with_zookeeper("dubbo_5135_session_expiry_and_node_exists_race", async |env| {
        let operator = env.server().operator();
        // Given up by us after ten seconds without a server, which then gives it ten more.
        let url = format!("zookeeper://{}{}?session=10s", env.proxy().address(), env.root());
        let registry = crate::support::connect(&url, &nothing_held());
        let service = random_service();
        let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        let path = format!("{}/{service}/a", env.root());
        let old = operator.get(&path).await.unwrap().unwrap().owner;
        env.server().kill();
        until_state("lost", &mut handle, RegistrationState::is_retrying).await;
        env.server().restart().await;
        soon("accepted", handle.accepted()).await.unwrap();
        let new = operator.get(&path).await.unwrap().unwrap().owner;
        assert_ne!(new, old, "the node of the dead session was taken over");
        let mut watcher = registry.subscribe(&service);
        until_ids("there", &mut watcher, &["a"]).await;
        // The old session ends now, and takes nothing with it.
        stays("it stays", Duration::from_secs(12), &mut watcher, |snapshot| snapshot.get("a").is_some()).await;
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}

/// Random breaks of every kind while others write: every view is the truth in the end. What a persistent watch misses
/// while it is silently dead would be missing, or a ghost.
#[test]
fn churn_through_three_kills_and_many_cuts_leaves_every_view_true() {
    with_zookeeper("churn_through_three_kills_and_many_cuts", async |env| {
        let operator = env.server().operator();
        let service = random_service();
        let registries: Vec<_> = (0..3).map(|_| env.connect(&nothing_held())).collect();
        let mut watchers: Vec<_> = registries.iter().map(|registry| registry.subscribe(&service)).collect();
        for watcher in &mut watchers {
            until_ids("empty", watcher, &[]).await;
        }
        let mut wanted = std::collections::BTreeSet::new();
        for round in 0..60_u16 {
            let id = format!("127.0.0.1:{}", 1000 + (round * 7) % 23);
            let path = format!("{}/{service}/{id}", env.root());
            if wanted.remove(&id) {
                operator.delete(&path).await.unwrap();
            } else {
                operator.plant(&path, id.as_bytes()).await;
                wanted.insert(id);
            }
            match round % 20 {
                3 | 9 | 14 => env.proxy().cut(),
                17 => {
                    env.server().kill();
                    env.server().restart().await;
                }
                _ => tokio::time::sleep(Duration::from_millis(u64::from(round % 5) * 20)).await,
            }
        }
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        for watcher in &mut watchers {
            until_ids("the truth", watcher, &wanted).await;
        }
        // And they are watches still, not one reading.
        operator.plant(&format!("{}/{service}/127.0.0.1:9", env.root()), b"127.0.0.1:9").await;
        for watcher in &mut watchers {
            until("what came later", watcher, |snapshot| snapshot.get("127.0.0.1:9").is_some()).await;
        }
    });
}
