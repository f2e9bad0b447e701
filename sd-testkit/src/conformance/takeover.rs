//! The same id twice: the newest registrant wins, and the other leaves it alone.

use std::sync::Arc;

use sd_core::{Backend, ErrorKind, Health, RegistrationHandle, RegistrationState, ServiceName, Subscription};

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, stays, until, until_ids, until_state};

const OLD: u16 = 1000;
const NEW: u16 = 2000;

/// Two registrants of one id, of which the second has won, and a third who watches.
struct Duel {
    service: ServiceName,
    old: RegistrationHandle,
    new: RegistrationHandle,
    watcher: Subscription,
    _connections: [Arc<dyn Backend>; 3],
}

impl Duel {
    async fn fought(env: &dyn Environment) -> Self {
        let connections = [(); 3].map(|()| env.connect(&ConnectOptions::default()));
        let service = random_service();
        let mut watcher = connections[2].subscribe(&service);
        let mut old = soon("register", connections[0].register(registration(&service, "a", OLD))).await.unwrap();
        until_ids("the older", &mut watcher, &["a"]).await;
        let new = soon("register", connections[1].register(registration(&service, "a", NEW))).await.unwrap();
        until("the newer", &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(NEW))).await;
        until_state("superseded", &mut old, RegistrationState::is_superseded).await;
        Self { service, old, new, watcher, _connections: connections }
    }

    /// Watches for as long as an entry could live by itself.
    async fn the_new_stands(mut self, env: &dyn Environment) {
        let is_new = |snapshot: &sd_core::Snapshot| {
            snapshot.len() == 1 && snapshot.get("a").is_some_and(|i| i.address().port() == Some(NEW))
        };
        // The registrants may know before this watcher does.
        until("the winner is seen", &mut self.watcher, is_new).await;
        let time = env.capabilities().watchful_time() * 2;
        stays("the winner stands", time, &mut self.watcher, is_new).await;
        assert!(self.new.state().is_registered(), "{:?}", self.new);
        soon("deregister the winner", self.new.deregister()).await.unwrap();
        until_ids("gone", &mut self.watcher, &[]).await;
    }
}

/// "The newest registrant wins; the loser's `state()` becomes `Superseded`", and it is never missing meanwhile.
pub async fn the_newest_registrant_wins(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut handles = vec![soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap()];
    let mut watcher = other.subscribe(&service);
    until_ids("there", &mut watcher, &["a"]).await;
    let follow = tokio::spawn(async move {
        loop {
            let snapshot = soon("changed", watcher.changed()).await.expect("not ended");
            let instance = snapshot.get("a").unwrap_or_else(|| panic!("missing during a takeover: {snapshot:?}"));
            if instance.address().port() == Some(1004) {
                return;
            }
        }
    });
    for port in 1001..1005 {
        let registry = env.connect(&ConnectOptions::default());
        handles.push(soon("register", registry.register(registration(&service, "a", port))).await.unwrap());
    }
    soon("the newest is seen", follow).await.unwrap();
    let winner = handles.pop().unwrap();
    for loser in &mut handles {
        until_state("superseded", loser, RegistrationState::is_superseded).await;
    }
    assert!(winner.state().is_registered(), "{winner:?}");
}

/// "… and it writes no more."
pub async fn a_superseded_handle_writes_no_more(env: &dyn Environment) {
    let duel = Duel::fought(env).await;
    let error = soon("update", duel.old.update(instance("a", OLD))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(!error.is_retryable(), "{error}");
    duel.the_new_stands(env).await;
}

/// One that lost its entry, and comes back to find a newer registrant under its id, does not take it back.
pub async fn one_that_lost_its_entry_gives_way_to_a_newer(env: &dyn Environment) {
    let connections = [(); 3].map(|()| env.connect(&ConnectOptions::default()));
    let service = random_service();
    let watcher = connections[2].subscribe(&service);
    let mut old = soon("register", connections[0].register(registration(&service, "a", OLD))).await.unwrap();
    if !env.inject(Fault::Expire { service: &service, id: "a" }).await {
        return;
    }
    let new = soon("register", connections[1].register(registration(&service, "a", NEW))).await.unwrap();
    until_state("superseded", &mut old, RegistrationState::is_superseded).await;
    Duel { service, old, new, watcher, _connections: connections }.the_new_stands(env).await;
}

/// An update by one that has not yet heard of the newer changes nothing, and ends it.
pub async fn an_update_that_does_not_know_of_the_newer_leaves_it(env: &dyn Environment) {
    let connections = [(); 3].map(|()| env.connect(&ConnectOptions::default()));
    let service = random_service();
    let watcher = connections[2].subscribe(&service);
    let mut old = soon("register", connections[0].register(registration(&service, "a", OLD))).await.unwrap();
    let new = soon("register", connections[1].register(registration(&service, "a", NEW))).await.unwrap();
    let error = soon("update", old.update(instance("a", OLD).with_weight(7))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    until_state("superseded", &mut old, RegistrationState::is_superseded).await;
    Duel { service, old, new, watcher, _connections: connections }.the_new_stands(env).await;
}

/// "Deregister … removes only one's own entry."
pub async fn deregistering_the_superseded_leaves_the_winner(env: &dyn Environment) {
    let duel = Duel::fought(env).await;
    let Duel { service, old, new, watcher, _connections } = duel;
    soon("deregister", old.deregister()).await.unwrap();
    let placeholder = soon("register", _connections[0].register(registration(&service, "b", 3000))).await.unwrap();
    soon("deregister", placeholder.deregister()).await.unwrap();
    let mut watcher = watcher;
    until_ids("the winner alone", &mut watcher, &["a"]).await;
    let spare = soon("register", _connections[0].register(registration(&random_service(), "a", OLD))).await.unwrap();
    Duel { service, old: spare, new, watcher, _connections }.the_new_stands(env).await;
}

/// Dropping the loser's handle takes nothing back.
pub async fn dropping_the_superseded_leaves_the_winner(env: &dyn Environment) {
    let mut duel = Duel::fought(env).await;
    // In its place stands a registration of another service.
    duel.old =
        soon("register", duel._connections[0].register(registration(&random_service(), "a", OLD))).await.unwrap();
    duel.the_new_stands(env).await;
}

/// Draining the loser's handle marks nothing.
pub async fn draining_the_superseded_leaves_the_winner(env: &dyn Environment) {
    let mut duel = Duel::fought(env).await;
    let spare =
        soon("register", duel._connections[0].register(registration(&random_service(), "a", OLD))).await.unwrap();
    let old = std::mem::replace(&mut duel.old, spare);
    soon("drain", old.drain(std::time::Duration::from_millis(50))).await.unwrap();
    duel.the_new_stands(env).await;
}

/// "Deregister, drain … removes only one's own entry", also for one that has not yet heard of the newer.
pub async fn an_end_that_does_not_know_of_the_newer_leaves_it(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut watcher = other.subscribe(&service);
    let mut winners = Vec::new();
    for round in 0..12 {
        let id = format!("{round:02}");
        let old = soon("register", registry.register(registration(&service, &id, OLD))).await.unwrap();
        // The end is asked for at once when the newer is accepted, by whichever way.
        winners.push(soon("register", other.register(registration(&service, &id, NEW))).await.unwrap());
        match round % 3 {
            0 => soon("deregister", old.deregister()).await.unwrap(),
            1 => drop(old),
            _ => soon("drain", old.drain(std::time::Duration::ZERO)).await.unwrap(),
        }
    }
    let all_new = |snapshot: &sd_core::Snapshot| {
        snapshot.len() == 12 && snapshot.iter().all(|i| i.address().port() == Some(NEW) && i.health() == Health::Up)
    };
    until("the winners", &mut watcher, all_new).await;
    stays("the winners stand", env.capabilities().watchful_time() * 2, &mut watcher, all_new).await;
    assert!(winners.iter().all(|handle| handle.state().is_registered()), "{winners:?}");
}

/// Within one connection too: what is registered last stands.
pub async fn one_connection_may_register_an_id_again(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut watcher = registry.subscribe(&service);
    let mut old = soon("register", registry.register(registration(&service, "a", OLD))).await.unwrap();
    let new = soon("register", registry.register(registration(&service, "a", NEW))).await.unwrap();
    until_state("superseded", &mut old, RegistrationState::is_superseded).await;
    drop(old);
    until("the newer", &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(NEW))).await;
    let time = env.capabilities().watchful_time();
    stays("the newer stands", time, &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(NEW)))
        .await;
    assert!(new.state().is_registered(), "{new:?}");
}

/// Stop, start: the ordinary restart at the same address.
pub async fn an_id_is_free_after_its_end(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let mut watcher = other.subscribe(&service);
    for round in 0..5 {
        let from = if round % 2 == 0 { &registry } else { &other };
        let handle = soon("register", from.register(registration(&service, "a", 1000 + round))).await.unwrap();
        until("there", &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(1000 + round))).await;
        soon("deregister", handle.deregister()).await.unwrap();
        until_ids("gone", &mut watcher, &[]).await;
    }
}
