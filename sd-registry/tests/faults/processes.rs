//! Registrants that are processes of their own: killed, stopped, restarted at the same address.

use std::time::Duration;

use sd_core::RegistrationState;
use sd_testkit::child::ChildRegistrant;
use sd_testkit::registry::{CentreOptions, RegistryEnvironment};
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{soon, stays, until, until_ids, until_state};
use sd_testkit::{ConnectOptions, Environment as _};
use tokio::time::Instant;

use crate::client::{connect, with_centre};

sd_testkit::child_process!(|url| connect(url, &ConnectOptions::default()));

fn child(env: &RegistryEnvironment, service: &sd_core::ServiceName, id: &str, port: u16) -> ChildRegistrant {
    // Blocks for as long as the other process takes, on a runtime with two threads.
    tokio::task::block_in_place(|| ChildRegistrant::start(&env.url(), service.as_str(), id, port))
}

/// What go-kit had not for long: a provider that was killed is gone within the TTL that was granted and a second.
#[test]
fn go_kit_343_registrations_expire() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut provider = child(env, &service, "a", 1000);
        until_ids("there", &mut watcher, &["a"]).await;
        let bound = env.capabilities().ttl.unwrap() + Duration::from_secs(1);
        provider.process().kill();
        let killed = Instant::now();
        until_ids("gone", &mut watcher, &[]).await;
        assert!(killed.elapsed() <= bound, "after {:?}", killed.elapsed());
        println!("a killed provider was gone after {:?}", killed.elapsed());
    });
}

/// "A process that was itself paused beyond its TTL registers at once."
#[test]
fn a_process_paused_beyond_its_ttl_registers_at_once() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut provider = child(env, &service, "a", 1000);
        for _ in 0..2 {
            until_ids("there", &mut watcher, &["a"]).await;
            provider.process().pause();
            until_ids("expired", &mut watcher, &[]).await;
            provider.process().resume();
            let resumed = Instant::now();
            until_ids("back", &mut watcher, &["a"]).await;
            assert!(resumed.elapsed() < Duration::from_secs(3), "after {:?}", resumed.elapsed());
        }
    });
}

/// One that slept while a newer one took its id wakes up to find that it has lost: it gives way, and takes nothing back.
#[test]
fn a_process_that_slept_through_its_replacement_gives_way() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut sleeper = child(env, &service, "a", 1000);
        until_ids("there", &mut watcher, &["a"]).await;
        sleeper.process().pause();
        until_ids("expired", &mut watcher, &[]).await;
        let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        let is_new = |snapshot: &sd_core::Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(2000));
        until("the replacement", &mut watcher, is_new).await;
        sleeper.process().resume();
        tokio::task::block_in_place(|| sleeper.says("superseded"));
        stays("the replacement stands", env.capabilities().watchful_time() * 2, &mut watcher, is_new).await;
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}

/// The entry of a predecessor that was killed does not keep its successor out, and its lease's end takes nothing.
#[test]
fn an_entry_left_by_a_dead_predecessor_is_taken_over() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let mut dead = child(env, &service, "a", 1000);
        until_ids("there", &mut watcher, &["a"]).await;
        dead.process().kill();
        let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        let is_new = |snapshot: &sd_core::Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(2000));
        until("the successor", &mut watcher, is_new).await;
        stays("the successor stands", env.capabilities().watchful_time() * 2, &mut watcher, is_new).await;
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}

/// A rolling restart: the new process is there before the old one is gone. The new one stands, whatever the old does.
#[test]
fn old_and_new_process_with_one_id_overlap() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let at = |port| {
            move |snapshot: &sd_core::Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(port))
        };
        let mut oldest = child(env, &service, "a", 1000);
        until("the oldest", &mut watcher, at(1000)).await;
        let mut middle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
        tokio::task::block_in_place(|| oldest.says("superseded"));
        until("the middle", &mut watcher, at(2000)).await;
        let newest = child(env, &service, "a", 3000);
        until_state("superseded", &mut middle, RegistrationState::is_superseded).await;
        until("the newest", &mut watcher, at(3000)).await;
        oldest.process().kill();
        soon("deregister", middle.deregister()).await.unwrap();
        stays("the newest stands", env.capabilities().watchful_time() * 2, &mut watcher, at(3000)).await;
        drop(newest);
        until_ids("gone", &mut watcher, &[]).await;
    });
}
