//! Choosing the index of a member.

use super::SIZES;
use crate::floors::choose as floor;
use crate::harness::case::Explain;
use crate::harness::{Case, Comparison, Duel};
use crate::ours::{Policy, choose as ours};

const EXPLAIN: Explain = Explain {
    inside: "looking at the current set and choosing an index through dyn Picker (floors: also reading the set at that index)",
    outside: "building the set, cloning a service, dropping a set (nothing changes meanwhile)",
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (policy, name) in Policy::ALL {
        for n in SIZES {
            let case = format!("choose/{name}");
            let body_name = case.clone();
            cases.push(Case::new(case, n, EXPLAIN, move |bench| duel(&body_name, policy, n).run(bench)));
        }
    }
    cases
}

fn duel(case: &str, policy: Policy, n: usize) -> Duel {
    let set = floor::published(n);
    let mut duel = Duel::new();
    let thread = [1, 2].map(|threads| duel.arm(floor::THREAD, threads, floor::thread(&set)));
    let own = [1, 2].map(|threads| duel.arm(floor::OWN, threads, floor::own(&set)));
    let others =
        [duel.arm(floor::THREAD_CACHE, 1, floor::thread_cache(&set)), duel.arm(floor::SHARED, 1, floor::shared(&set))];
    let contended = duel.arm(floor::SHARED, 2, floor::shared(&set));
    let shared = [1, 2].map(|threads| duel.ours("shared", threads, ours::shared(policy, n)));
    let owned = [1, 2].map(|threads| duel.ours("owned", threads, ours::owned(policy, n)));

    let case_shared = format!("{case}/shared");
    let case_owned = format!("{case}/owned");
    let row = Comparison::new(&*case_shared, shared[0], thread[0]);
    duel.compare(row.at_most(1.5).no_allocations());
    let far_random = policy == Policy::Random && n >= 10_000;
    let row = Comparison::new(&*case_owned, owned[0], own[0]);
    let limit = if far_random { 3.5 } else { 3.0 };
    duel.compare(row.at_most(limit).no_allocations());
    for (case, arms) in [(&case_shared, shared), (&case_owned, owned)] {
        duel.compare(Comparison::scaling(case, arms).map(|row| row.at_most(1.25).no_allocations()));
    }
    duel.compare(Comparison::new(&*case_shared, shared[1], thread[1]));
    duel.compare(Comparison::new(&*case_owned, owned[1], own[1]));
    for other in others {
        duel.compare(Comparison::new(&*case_shared, shared[0], other));
    }
    duel.compare(Comparison::new(&*case_shared, shared[1], contended));
    duel
}
