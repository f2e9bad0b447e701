//! One instance is added, removed, or changes its weight, among many.

use crate::floors::chunked::{self, Change};
use crate::harness::case::Explain;
use crate::harness::{Case, Comparison, Duel};
use crate::ours::change as ours;

const EXPLAIN: Explain = Explain {
    inside: "from the publisher's call to the first pick that knows the change, freeing the old set included",
    outside: "making the instance, undoing the change afterwards; parked: waiting until the other thread sleeps",
};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (change, name) in Change::ALL {
        for n in SIZES {
            let case = format!("change/{name}");
            let body_name = case.clone();
            cases.push(Case::new(case, n, EXPLAIN, move |bench| {
                let mut duel = Duel::new();
                let ours = duel.ours("publish", 1, ours::publish(change, n));
                let floor = duel.arm(chunked::NAME, 1, chunked::publish(n, change));
                duel.compare(Comparison::new(body_name, ours, floor).at_most(3.0));
                duel.run(bench)
            }));
        }
    }
    for n in SIZES {
        cases.push(Case::new("change/parked", n, EXPLAIN, move |bench| {
            let mut duel = Duel::new();
            let ours = duel.ours("publish, parked", 1, ours::publish_parked(n));
            let floor = duel.arm(chunked::PARKED, 1, chunked::publish_parked(n));
            duel.compare(Comparison::new("change/parked", ours, floor));
            duel.run(bench)
        }));
    }
    cases
}
