//! The same id twice: the newest registrant wins, and the other leaves it alone.

use std::sync::Arc;

use sd_core::{Backend, ErrorKind, RegistrationHandle, RegistrationState, ServiceName, Subscription};

use crate::environment::{ConnectOptions, Environment};
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
        let time = env.capabilities().watchful_time() * 2;
        stays("the winner stands", time, &mut self.watcher, |snapshot| {
            snapshot.len() == 1 && snapshot.get("a").is_some_and(|i| i.address().port() == Some(NEW))
        })
        .await;
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
