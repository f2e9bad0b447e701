//! Registrants that are processes of their own: killed, stopped, restarted at the same address.
//!
//! Mount them with [`process_tests!`](crate::process_tests).

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backend, Health, RegistrationState, ServiceName, Snapshot, Subscription};
use tokio::time::Instant;

use crate::child::ChildRegistrant;
use crate::environment::{ConnectOptions, Environment};
use crate::samples::{random_service, registration};
use crate::waiting::{soon, stays, until, until_state};

/// What go-kit had not for long: a provider that was killed is called no more within the TTL that was granted and a
/// second.
pub async fn go_kit_343_registrations_expire(env: &dyn Environment) {
    let (_, service, mut watcher) = watched(env);
    let mut provider = child(env, &service, 1000);
    until("there", &mut watcher, serves(1000)).await;
    let bound = ttl(env) + Duration::from_secs(1);
    provider.process().kill();
    let killed = Instant::now();
    until("gone", &mut watcher, is_dead(env)).await;
    println!("a killed provider was gone after {:?}", killed.elapsed());
    assert!(killed.elapsed() <= bound, "after {:?}", killed.elapsed());
}

/// "A process that was itself paused beyond its TTL registers at once."
pub async fn a_process_paused_beyond_its_ttl_registers_at_once(env: &dyn Environment) {
    let (_, service, mut watcher) = watched(env);
    let mut provider = child(env, &service, 1000);
    for _ in 0..2 {
        until("there", &mut watcher, serves(1000)).await;
        provider.process().pause();
        until("expired", &mut watcher, is_dead(env)).await;
        provider.process().resume();
        let resumed = Instant::now();
        until("back", &mut watcher, serves(1000)).await;
        assert!(resumed.elapsed() < Duration::from_secs(3), "after {:?}", resumed.elapsed());
    }
}

/// One that slept while a newer one took its id wakes up to find that it has lost: it gives way, and takes nothing back.
pub async fn a_process_that_slept_through_its_replacement_gives_way(env: &dyn Environment) {
    let (registry, service, mut watcher) = watched(env);
    let mut sleeper = child(env, &service, 1000);
    until("there", &mut watcher, serves(1000)).await;
    sleeper.process().pause();
    until("expired", &mut watcher, is_dead(env)).await;
    let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
    until("the replacement", &mut watcher, serves(2000)).await;
    sleeper.process().resume();
    tokio::task::block_in_place(|| sleeper.says("superseded"));
    stays("the replacement stands", env.capabilities().watchful_time() * 2, &mut watcher, is_at(2000)).await;
    assert!(handle.state().is_registered(), "{handle:?}");
}

/// The entry of a predecessor that was killed does not keep its successor out, and its end takes nothing.
pub async fn an_entry_left_by_a_dead_predecessor_is_taken_over(env: &dyn Environment) {
    let (registry, service, mut watcher) = watched(env);
    let mut dead = child(env, &service, 1000);
    until("there", &mut watcher, serves(1000)).await;
    dead.process().kill();
    let handle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
    until("the successor", &mut watcher, serves(2000)).await;
    stays("the successor stands", env.capabilities().watchful_time() * 2, &mut watcher, is_at(2000)).await;
    assert!(handle.state().is_registered(), "{handle:?}");
}

/// A rolling restart: the new process is there before the old one is gone. The new one stands, whatever the old does.
pub async fn old_and_new_process_with_one_id_overlap(env: &dyn Environment) {
    let (registry, service, mut watcher) = watched(env);
    let mut oldest = child(env, &service, 1000);
    until("the oldest", &mut watcher, serves(1000)).await;
    let mut middle = soon("register", registry.register(registration(&service, "a", 2000))).await.unwrap();
    tokio::task::block_in_place(|| oldest.says("superseded"));
    until("the middle", &mut watcher, serves(2000)).await;
    let newest = child(env, &service, 3000);
    until_state("superseded", &mut middle, RegistrationState::is_superseded).await;
    until("the newest", &mut watcher, serves(3000)).await;
    oldest.process().kill();
    soon("deregister", middle.deregister()).await.unwrap();
    stays("the newest stands", env.capabilities().watchful_time() * 2, &mut watcher, is_at(3000)).await;
    drop(newest);
    until("gone", &mut watcher, is_dead(env)).await;
}

fn watched(env: &dyn Environment) -> (Arc<dyn Backend>, ServiceName, Subscription) {
    let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
    let watcher = registry.subscribe(&service);
    (registry, service, watcher)
}

fn ttl(env: &dyn Environment) -> Duration {
    env.capabilities().ttl.expect("a registry that ends what is dead")
}

/// Instance `a` at this port, from a process of its own.
fn child(env: &dyn Environment, service: &ServiceName, port: u16) -> ChildRegistrant {
    let url = env.url().expect("a registry that other processes reach");
    // Blocks for as long as the other process takes, on a runtime with two threads.
    tokio::task::block_in_place(|| ChildRegistrant::start(&url, service.as_str(), "a", port))
}

fn is_at(port: u16) -> impl Fn(&Snapshot) -> bool + Copy + Send + Sync {
    move |snapshot| snapshot.get("a").is_some_and(|instance| instance.address().port() == Some(port))
}

fn serves(port: u16) -> impl Fn(&Snapshot) -> bool + Copy + Send + Sync {
    move |snapshot| {
        snapshot.freshness().is_live()
            && is_at(port)(snapshot)
            && snapshot.get("a").is_some_and(|instance| instance.health() == Health::Up)
    }
}

/// Not there; or there and down, where that is how the registry treats the dead.
fn is_dead(env: &dyn Environment) -> impl Fn(&Snapshot) -> bool + Copy + Send + Sync {
    let stays = env.capabilities().keeps_the_dead;
    move |snapshot| {
        let found = snapshot.get("a");
        if stays { found.is_some_and(|instance| instance.health() == Health::Down) } else { found.is_none() }
    }
}
