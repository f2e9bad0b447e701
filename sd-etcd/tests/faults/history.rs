//! Compaction, and what happens while nobody can watch.

use sd_core::StalenessPolicy;
use sd_testkit::etcd::EtcdEnvironment;
use sd_testkit::faults::Fleet;
use sd_testkit::proxy::Mode;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{eventually, soon, until, until_ids};
use sd_testkit::{ConnectOptions, Environment as _, Fault};

use crate::support::with_etcd;

/// What is gone is to be seen gone: holding has tests of its own.
fn nothing_held() -> ConnectOptions {
    ConnectOptions::default().staleness(StalenessPolicy::default().hold_share(1.0).unwrap())
}

async fn cut_off(env: &EtcdEnvironment, fleet: &mut Fleet) {
    env.proxy().set(Mode::Refuse).await;
    env.proxy().cut();
    for watcher in fleet.watchers() {
        until("stale", watcher, |snapshot| snapshot.freshness().is_stale()).await;
    }
}

/// What a Go program would write: the address alone, held by nothing.
async fn put_plain(env: &EtcdEnvironment, fleet: &Fleet, port: u16) -> String {
    let id = format!("127.0.0.1:{port}");
    env.server().gateway().put(&format!("{}/{}/{id}", env.prefix(), fleet.service()), &id, None).await;
    id
}

/// go-kit's watch ends for ever when etcd cancels it; here the set is read anew, and the watch goes on.
#[test]
fn go_kit_watch_survives_cancel_and_compaction() {
    with_etcd("go_kit_watch_survives_cancel_and_compaction", async |env| {
        let gateway = env.server().gateway();
        let mut fleet = Fleet::of(env, 6).await;
        cut_off(env, &mut fleet).await;
        let gone = fleet.handles().remove(0);
        let gone_key = format!("{}/{}/{}", env.prefix(), fleet.service(), gone.id());
        gateway.delete(&gone_key).await;
        for round in 0..20 {
            put_plain(env, &fleet, 3000 + round % 2).await;
        }
        gateway.compact().await;
        env.proxy().set(Mode::Pass).await;
        soon("deregister", gone.deregister()).await.unwrap();
        let mut wanted: Vec<_> = fleet.handles().iter().map(|handle| handle.id().to_owned()).collect();
        wanted.extend(["127.0.0.1:3000".to_owned(), "127.0.0.1:3001".to_owned()]);
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        for watcher in fleet.watchers() {
            until_ids("the truth", watcher, &wanted).await;
        }
        // And it is a watch again, not one reading.
        let _late = soon("register", fleet.connection().register(registration(fleet.service(), "late", 1))).await;
        for watcher in fleet.watchers() {
            until("what came later", watcher, |snapshot| snapshot.get("late").is_some()).await;
        }
    });
}

/// etcd#18089: an event that is lost around a compaction; many rounds of break, change, compaction and return.
#[test]
fn etcd_18089_no_change_is_lost_around_compactions() {
    with_etcd("etcd_18089_no_change_is_lost_around_compactions", async |env| {
        let gateway = env.server().gateway();
        let service = random_service();
        let registry = env.connect(&nothing_held());
        let mut watcher = registry.subscribe(&service);
        until_ids("empty", &mut watcher, &[]).await;
        let mut wanted = std::collections::BTreeSet::new();
        for round in 0..12_u16 {
            for step in 0..6 {
                let id = format!("127.0.0.1:{}", 1000 + (round * 7 + step * 5) % 23);
                let key = format!("{}/{service}/{id}", env.prefix());
                if wanted.remove(&id) {
                    gateway.delete(&key).await;
                } else {
                    gateway.put(&key, &id, None).await;
                    wanted.insert(id);
                }
                if step == round % 6 {
                    env.proxy().cut();
                }
                if (step + round) % 3 == 0 {
                    gateway.compact().await;
                }
            }
        }
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        until_ids("the truth", &mut watcher, &wanted).await;
    });
}

/// go-kit registers everything of a client under one lease, and the second to close ends the first's.
#[test]
fn go_kit_shared_lease_second_close_keeps_first() {
    with_etcd("go_kit_shared_lease_second_close_keeps_first", async |env| {
        let mut fleet = Fleet::of(env, 8).await;
        for _ in 0..2 {
            let closed = fleet.handles().pop().unwrap();
            soon("deregister", closed.deregister()).await.unwrap();
            drop(fleet.handles().pop());
            fleet.is_whole(env).await;
            tokio::time::sleep(env.capabilities().watchful_time()).await;
            fleet.is_whole(env).await;
        }
    });
}

/// Every lease is revoked at once, behind the backs of those who hold them.
#[test]
fn leases_revoked_behind_our_back_are_made_anew() {
    with_etcd("leases_revoked_behind_our_back_are_made_anew", async |env| {
        let gateway = env.server().gateway();
        let mut fleet = Fleet::of(env, 12).await;
        let version = fleet.watchers()[0].snapshot().version();
        for lease in gateway.leases().await {
            gateway.revoke(lease).await;
        }
        until("gone", &mut fleet.watchers()[0], |snapshot| snapshot.version() > version).await;
        fleet.is_whole(env).await;
        drop(fleet);
        eventually("every lease was given back", async || gateway.leases().await.is_empty()).await;
    });
}

/// A server that was wiped, has been filled beyond where we stood, and claims to be another cluster.
#[test]
fn a_wiped_registry_that_has_overtaken_us_is_noticed() {
    with_etcd("a_wiped_registry_that_has_overtaken_us_is_noticed", async |env| {
        let gateway = env.server().gateway();
        let mut fleet = Fleet::connected(env, 6, &nothing_held()).await;
        // This one is gone afterwards, so that a set that was merely resumed is a wrong one.
        put_plain(env, &fleet, 3000).await;
        until("the plain one", &mut fleet.watchers()[0], |snapshot| snapshot.len() == 7).await;
        let stood_at = gateway.revision().await;
        cut_off(env, &mut fleet).await;
        assert!(env.inject(Fault::UpWithoutData).await);
        while gateway.revision().await <= stood_at + 5 {
            gateway.put("/elsewhere", "x", None).await;
        }
        env.proxy().set(Mode::Pass).await;
        fleet.is_whole(env).await;
    });
}
