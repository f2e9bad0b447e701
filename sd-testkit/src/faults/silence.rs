//! The registry is there and says nothing, or says it late, or the line breaks.

use std::time::Duration;

use super::fleet::Fleet;
use crate::environment::{Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{instance, registration};
use crate::waiting::{soon, until};

/// SIGSTOP for longer than the TTL, then SIGCONT: some leases end as the registry wakes.
pub async fn all_is_back_after_the_registry_stood_still_for_longer_than_the_ttl(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    if !env.inject(Fault::Pause).await {
        return not_applicable("this registry can't be paused");
    }
    tokio::time::sleep(env.capabilities().ttl.unwrap_or_default() * 3).await;
    assert!(env.inject(Fault::Resume).await);
    fleet.is_whole(env).await;
}

/// "A watch that has silently died is noticed, within a bound that is documented per backend."
pub async fn a_held_connection_is_noticed_and_replaced(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 6).await;
    if !env.inject(Fault::Hold).await {
        return not_applicable("its connections can't be held");
    }
    let bound = env.capabilities().silence;
    for watcher in fleet.watchers() {
        let noticed = tokio::time::timeout(bound, until("stale", watcher, |s| s.freshness().is_stale())).await;
        let stale = noticed.unwrap_or_else(|_| panic!("silence was not noticed within {bound:?}"));
        assert_eq!(stale.len(), 6, "the last known stay");
    }
    assert!(env.inject(Fault::Release).await);
    fleet.is_whole(env).await;
}

/// A slow line is slow, and nothing more: all arrives.
pub async fn a_slow_connection_loses_nothing(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 4).await;
    if !env.inject(Fault::Slow).await {
        return not_applicable("its connections can't be slowed");
    }
    for port in 1000..1003 {
        let given = registration(fleet.service(), &format!("slow{port}"), port);
        let handle = soon("register", fleet.connection().register(given)).await.unwrap();
        soon("update", handle.update(instance(handle.id(), port + 1000))).await.unwrap();
        fleet.handles().push(handle);
    }
    fleet.is_whole(env).await;
    let leaving = fleet.handles().remove(0);
    soon("deregister", leaving.deregister()).await.unwrap();
    fleet.is_whole(env).await;
    assert!(env.inject(Fault::Release).await);
    fleet.is_whole(env).await;
}

/// Every connection breaks once.
pub async fn all_is_back_after_connections_were_cut(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    if !env.inject(Fault::Cut).await {
        return not_applicable("its connections can't be cut");
    }
    let comer = fleet.connection().register_in_background(registration(fleet.service(), "comer", 1000)).unwrap();
    fleet.handles().push(comer);
    fleet.is_whole(env).await;
}

/// Cut while everything moves: resuming loses no change and doubles none.
pub async fn a_connection_cut_again_and_again_loses_nothing(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 16).await;
    for round in 0..8_u16 {
        let given = registration(fleet.service(), &format!("r{round}"), 1000 + round);
        let comer = fleet.connection().register_in_background(given).unwrap();
        fleet.handles().push(comer);
        if !env.inject(Fault::Cut).await {
            return not_applicable("its connections can't be cut");
        }
        // Fewer than half of all, so that nothing is held.
        if round % 2 == 0 {
            let leaving = fleet.handles().remove(0);
            tokio::spawn(leaving.deregister());
        }
        // At changing moments of what is going on.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 37)).await;
    }
    fleet.is_whole(env).await;
}
