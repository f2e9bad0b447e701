//! Picking: a clone of the service and a ticket.

use super::SIZES;
use crate::floors::choose as floor;
use crate::harness::case::Explain;
use crate::harness::{Case, Comparison, Duel};
use crate::ours::{Policy, pick as ours};
use crate::peers::{tower_balance, volo};

const EXPLAIN: Explain = Explain {
    inside: "looking at the set, choosing, cloning the service, making the ticket, dropping both (peers: what their pick gives, dropped; tower: also ready and a call that does nothing)",
    outside: "building the set, the call itself, completing the ticket with an outcome",
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (policy, name) in Policy::ALL {
        for n in SIZES {
            let case = format!("pick/{name}");
            let body_name = case.clone();
            cases.push(Case::new(case, n, EXPLAIN, move |bench| {
                if cfg!(not(feature = "pingora")) {
                    bench.note("pingora is not measured: build with --features pingora (needs cmake)")?;
                }
                duel(&body_name, policy, n)?.run(bench)
            }));
        }
    }
    cases
}

fn duel(case: &str, policy: Policy, n: usize) -> anyhow::Result<Duel> {
    let set = floor::published(n);
    let mut duel = Duel::new();
    let cloned = [1, 2].map(|threads| duel.arm(floor::CLONED, threads, floor::cloned(&set)));
    let handle = [1, 2].map(|threads| duel.ours("handle", threads, ours::handle(policy, n)));
    let per_request = [1, 2].map(|threads| {
        let make = ours::cloned_handle(policy, n);
        duel.ours("handle cloned per request", threads, make)
    });

    let row = Comparison::new(case, handle[0], cloned[0]);
    duel.compare(row.at_most(2.5).no_allocations());
    let scaling = Comparison::scaling(case, handle).map(Comparison::no_allocations);
    duel.compare(scaling.map(|row| if n >= 10_000 { row.at_most(1.3) } else { row }));
    duel.compare(Comparison::new(case, handle[1], cloned[1]));
    if policy == Policy::Random {
        for threads in [1, 2] {
            let anyone = duel.arm(floor::CLONED_RANDOM, threads, floor::cloned_random(&set));
            duel.compare(Comparison::new(case, handle[threads - 1], anyone));
        }
    }
    let case_per_request = format!("{case}/cloned_handle");
    for threads in [0, 1] {
        let row = Comparison::new(&*case_per_request, per_request[threads], cloned[threads]);
        duel.compare(row.no_allocations());
    }
    duel.compare(Comparison::scaling(case_per_request, per_request).map(Comparison::no_allocations));
    let case_shared = format!("{case}/shared");
    let shared = [1, 2].map(|threads| duel.ours("shared", threads, ours::shared(policy, n)));
    for threads in [0, 1] {
        duel.compare(Comparison::new(&*case_shared, shared[threads], cloned[threads]).no_allocations());
    }

    #[cfg(feature = "pingora")]
    for threads in [1, 2] {
        use crate::peers::pingora;
        let (name, make) = match policy {
            Policy::RoundRobin => (pingora::ROUND_ROBIN, pingora::round_robin(n)?),
            Policy::Random => (pingora::RANDOM, pingora::random(n)?),
        };
        let peer = duel.arm(name, threads, make);
        let row = Comparison::new(case, handle[threads - 1], peer);
        duel.compare(if threads == 1 { row.at_most(0.35) } else { row });
    }
    for threads in [1, 2] {
        let peer = duel.arm(volo::NAME, threads, volo::weighted_random(n));
        duel.compare(Comparison::new(case, handle[threads - 1], peer));
    }
    let peers = [
        duel.arm(tower_balance::PENDING, 1, tower_balance::pending(n)),
        duel.arm(tower_balance::BUFFERED, 1, tower_balance::buffered(n)),
    ];
    for peer in peers {
        duel.compare(Comparison::new(case, handle[0], peer));
    }
    Ok(duel)
}
