//! A whole call, through retry, timeout and balancer.

use crate::floors::call as floor;
use crate::floors::choose::published;
use crate::harness::case::Explain;
use crate::harness::{Case, Comparison, Duel, Make};
use crate::ours::{Policy, call as ours, pick};
use crate::peers::tower_call::{self, Picked};
use crate::services::{NoOp, PendingOnce, RefusesFirst};

const EXPLAIN: Explain = Explain {
    inside: "ready, call and the answer: clone of the request, pick, ticket and its outcome, timeout, decision whether to retry; where it says so also cloning the stack",
    outside: "building the stack; the service answers at once (pending: is pending once and wakes itself), nothing is sent",
};

/// How the service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`NoOp`].
    FirstTry,
    /// [`PendingOnce`].
    PendingOnce,
    /// [`RefusesFirst`].
    OneRetry,
}

/// Among so many instances.
const N: usize = 100;

pub(super) fn cases() -> Vec<Case> {
    let kinds = [
        (Kind::FirstTry, false, "call/first_try"),
        (Kind::FirstTry, true, "call/cloned_per_call"),
        (Kind::PendingOnce, false, "call/pending_once"),
        (Kind::OneRetry, false, "call/one_retry"),
    ];
    kinds
        .map(|(kind, cloned, name)| Case::new(name, N, EXPLAIN, move |bench| duel(name, kind, cloned).run(bench)))
        .into()
}

fn duel(case: &str, kind: Kind, cloned: bool) -> Duel {
    let plain = kind == Kind::FirstTry && !cloned;
    let mut duel = Duel::new();
    let ours_arms = [1, 2].map(|threads| duel.ours("Retry", threads, ours::retry(kind, cloned, N)));
    let tower = duel.arm(tower_call::NAME, 1, tower(kind, cloned));
    let our_pick = duel.ours("a pick", 1, pick::handle(Policy::RoundRobin, N));
    let row = Comparison::new(case, ours_arms[0], tower).plus(our_pick);
    duel.compare(if plain { row.at_most(1.5).no_allocations() } else { row });
    let scaling = Comparison::scaling(case, ours_arms);
    duel.compare(if plain { scaling.map(Comparison::no_allocations) } else { scaling });
    if !cloned {
        let loops = match kind {
            Kind::FirstTry => floor::timeout_loop(NoOp),
            Kind::PendingOnce => floor::timeout_loop(PendingOnce),
            Kind::OneRetry => floor::timeout_loop(RefusesFirst),
        };
        let loops = duel.arm(floor::NAME, 1, loops);
        duel.compare(Comparison::new(case, ours_arms[0], loops));
    }
    if plain {
        for threads in [1, 2] {
            let make = tower_call::timeout_retry(Picked::new(published(N), NoOp), false);
            let picked = duel.arm(tower_call::PICKED, threads, make);
            duel.compare(Comparison::new(case, ours_arms[threads - 1], picked));
        }
    }
    duel
}

fn tower(kind: Kind, cloned: bool) -> Make {
    match kind {
        Kind::FirstTry => tower_call::timeout_retry(NoOp, cloned),
        Kind::PendingOnce => tower_call::timeout_retry(PendingOnce, cloned),
        Kind::OneRetry => tower_call::timeout_retry(RefusesFirst, cloned),
    }
}
