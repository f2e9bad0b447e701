//! Registrants that are processes of their own: killed, stopped, restarted at the same address.

use std::time::Duration;

use sd_core::{Health, RegistrationState, Snapshot};
use sd_testkit::child::ChildRegistrant;
use sd_testkit::consul::ConsulEnvironment;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{soon, stays, until, until_ids, until_state};
use sd_testkit::{ConnectOptions, Environment as _};
use tokio::time::Instant;

use crate::support::{connect, with_quick_consul};

sd_testkit::child_process!(|url| connect(url, &ConnectOptions::default()));

fn child(env: &ConsulEnvironment, service: &sd_core::ServiceName, id: &str, port: u16) -> ChildRegistrant {
    // Blocks for as long as the other process takes, on a runtime with two threads.
    tokio::task::block_in_place(|| ChildRegistrant::start(&env.url(), service.as_str(), id, port))
}

fn is(health: Health, port: u16) -> impl Fn(&Snapshot) -> bool + Copy + Send + Sync {
    move |snapshot| {
        snapshot.get("a").is_some_and(|i| i.health() == health && i.address().port() == Some(port))
            && snapshot.freshness().is_live()
    }
}

/// What go-kit had not for long: a provider that was killed is called no more within the TTL and a second. In Consul it
/// stays, as one that is down, until `deregister_after` has passed.
#[test]
fn go_kit_343_registrations_expire() {
    with_quick_consul("go_kit_343_registrations_expire", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut passing =
            connect(&format!("{}&passing=true", env.url()), &ConnectOptions::default()).subscribe(&service);
        let mut provider = child(env, &service, "a", 1000);
        until("there", &mut watcher, is(Health::Up, 1000)).await;
        until_ids("there", &mut passing, &["a"]).await;
        let bound = env.capabilities().ttl.unwrap() + Duration::from_secs(1);
        provider.process().kill();
        let killed = Instant::now();
        until("down", &mut watcher, is(Health::Down, 1000)).await;
        println!("a killed provider was down after {:?}", killed.elapsed());
        assert!(killed.elapsed() <= bound, "after {:?}", killed.elapsed());
        until_ids("not seen by who sees only what passes", &mut passing, &[]).await;
    });
}

/// "A process that was itself paused beyond its TTL registers at once."
#[test]
fn a_process_paused_beyond_its_ttl_registers_at_once() {
    with_quick_consul("a_process_paused_beyond_its_ttl_registers_at_once", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut provider = child(env, &service, "a", 1000);
        for _ in 0..2 {
            until("up", &mut watcher, is(Health::Up, 1000)).await;
            provider.process().pause();
            until("down", &mut watcher, is(Health::Down, 1000)).await;
            provider.process().resume();
            let resumed = Instant::now();
            until("up again", &mut watcher, is(Health::Up, 1000)).await;
            assert!(resumed.elapsed() < Duration::from_secs(3), "after {:?}", resumed.elapsed());
        }
    });
}

/// One that slept while a newer one took its id wakes up to find that it has lost: it gives way, and takes nothing back.
#[test]
fn a_process_that_slept_through_its_replacement_gives_way() {
    with_quick_consul("a_process_that_slept_through_its_replacement_gives_way", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut sleeper = child(env, &service, "a", 1000);
        until("up", &mut watcher, is(Health::Up, 1000)).await;
        sleeper.process().pause();
        until("down", &mut watcher, is(Health::Down, 1000)).await;
        let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        until("the replacement", &mut watcher, is(Health::Up, 2000)).await;
        sleeper.process().resume();
        tokio::task::block_in_place(|| sleeper.says("superseded"));
        let stands = |snapshot: &Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(2000));
        stays("the replacement stands", env.capabilities().watchful_time() * 2, &mut watcher, stands).await;
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}

/// The entry of a predecessor that was killed does not keep its successor out, and its lapsing TTL takes nothing.
#[test]
fn an_entry_left_by_a_dead_predecessor_is_taken_over() {
    with_quick_consul("an_entry_left_by_a_dead_predecessor_is_taken_over", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut dead = child(env, &service, "a", 1000);
        until("up", &mut watcher, is(Health::Up, 1000)).await;
        dead.process().kill();
        let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        until("the successor", &mut watcher, is(Health::Up, 2000)).await;
        let stands = |snapshot: &Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(2000));
        stays("the successor stands", env.capabilities().watchful_time() * 2, &mut watcher, stands).await;
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}

/// A rolling restart: the new process is there before the old one is gone. The new one stands, whatever the old does.
#[test]
fn old_and_new_process_with_one_id_overlap() {
    with_quick_consul("old_and_new_process_with_one_id_overlap", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut oldest = child(env, &service, "a", 1000);
        until("the oldest", &mut watcher, is(Health::Up, 1000)).await;
        let mut middle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        tokio::task::block_in_place(|| oldest.says("superseded"));
        until("the middle", &mut watcher, is(Health::Up, 2000)).await;
        let newest = child(env, &service, "a", 3000);
        until_state("superseded", &mut middle, RegistrationState::is_superseded).await;
        until("the newest", &mut watcher, is(Health::Up, 3000)).await;
        oldest.process().kill();
        soon("deregister", middle.deregister()).await.unwrap();
        let stands = |snapshot: &Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(3000));
        stays("the newest stands", env.capabilities().watchful_time() * 2, &mut watcher, stands).await;
        drop(newest);
        until("down", &mut watcher, is(Health::Down, 3000)).await;
    });
}
