//! The registry dies, and comes back with or without its memory.

use sd_core::Basis;

use super::fleet::Fleet;
use crate::environment::{Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{random_service, registration};
use crate::waiting::{soon, stays, until};

async fn goes_down(env: &dyn Environment) -> bool {
    let down = env.inject(Fault::Down).await;
    if !down {
        not_applicable("this registry can't be taken down");
    }
    down
}

async fn all_see_the_outage(fleet: &mut Fleet, known: usize) {
    for watcher in fleet.watchers() {
        let stale = until("stale", watcher, |snapshot| snapshot.freshness().is_stale()).await;
        assert_eq!(stale.len(), known, "the last known stay");
    }
}

/// kill -9, and again with its data.
pub async fn all_is_back_after_a_restart_with_data(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    if !goes_down(env).await {
        return;
    }
    all_see_the_outage(&mut fleet, 12).await;
    assert!(env.inject(Fault::Up).await);
    fleet.is_whole(env).await;
}

/// kill -9, and again with nothing: everyone registers anew.
pub async fn go_zero_4201_reregisters_after_registry_restart(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    if !goes_down(env).await {
        return;
    }
    all_see_the_outage(&mut fleet, 12).await;
    assert!(env.inject(Fault::UpWithoutData).await);
    fleet.is_whole(env).await;
}

/// "A wiped registry does not empty a fleet while everyone registers anew": no watcher ever sees less than all.
pub async fn go_kit_empty_answer_does_not_wipe_everything(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    let mut beside = fleet.watchers()[0].clone();
    if !goes_down(env).await {
        return;
    }
    all_see_the_outage(&mut fleet, 12).await;
    let whole = tokio::spawn(async move {
        loop {
            let snapshot = soon("changed", beside.changed()).await.expect("not ended");
            // Half of them is what may go at once, by the default policy.
            assert!(snapshot.len() >= 6, "emptied: {snapshot:?}");
            if snapshot.freshness().is_live() && snapshot.len() == 12 && *snapshot.basis() == Basis::Registry {
                return;
            }
        }
    });
    assert!(env.inject(Fault::UpWithoutData).await);
    fleet.is_whole(env).await;
    soon("whole again", whole).await.unwrap();
}

/// Who left while nobody could see it does not stay for ever.
pub async fn what_left_during_the_outage_is_gone_after_it(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 12).await;
    if !goes_down(env).await {
        return;
    }
    all_see_the_outage(&mut fleet, 12).await;
    // Fewer than half, so that nothing is held.
    let mut leaving = fleet.handles().drain(..4).collect::<Vec<_>>();
    drop((leaving.pop(), leaving.pop()));
    let (first, second) = (leaving.pop().unwrap(), leaving.pop().unwrap());
    let answers = soon("both", async { tokio::join!(first.deregister(), second.deregister()) }).await;
    assert!(answers.0.is_err() && answers.1.is_err(), "the registry is down: {answers:?}");
    assert!(env.inject(Fault::Up).await);
    fleet.is_whole(env).await;
    let time = env.capabilities().watchful_time();
    let count = fleet.handles().len();
    stays("none comes back", time, &mut fleet.watchers()[0], |snapshot| snapshot.len() == count).await;
}

/// Down, up, down, up, wiped: and in between someone comes and goes.
pub async fn kratos_3464_several_blips_lose_nothing(env: &dyn Environment) {
    let mut fleet = Fleet::of(env, 6).await;
    for round in 0..3_u16 {
        if !goes_down(env).await {
            return;
        }
        let comer = fleet.connection().register_in_background(registration(
            fleet.service(),
            &format!("new{round}"),
            900 + round,
        ));
        fleet.handles().push(comer.unwrap());
        assert!(env.inject(if round == 1 { Fault::UpWithoutData } else { Fault::Up }).await);
        fleet.is_whole(env).await;
        let other =
            soon("register", fleet.connection().register(registration(&random_service(), "x", 1))).await.unwrap();
        soon("deregister", other.deregister()).await.unwrap();
    }
}
