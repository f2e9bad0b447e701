//! The slowest picks while the set changes a thousand times a second: at 100,000 instances beside at 100.

use std::time::Duration;

use crate::floors::tail as floor;
use crate::harness::case::{Bench, Explain};
use crate::harness::duel::median;
use crate::harness::report::Reference;
use crate::harness::tail::{Load, slice};
use crate::harness::{Case, Row};
use crate::ours::tail as ours;

const EXPLAIN: Explain = Explain {
    inside: "one pick with clone and ticket, timed by itself (about 25 ns of that is the clock), on one thread while another changes weights",
    outside: "the changes themselves, but for what they do to the picks; medians over slices of half a second that take turns",
};

const SMALL: usize = 100;
const LARGE: usize = 100_000;
const RATE: u32 = 1_000;
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.9999, "p99.99")];

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("tail/1000_updates", LARGE, EXPLAIN, run)]
}

fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let mut loads = vec![floor::load(SMALL), floor::load(LARGE)];
    loads.extend(ours::load(SMALL)?);
    loads.extend(ours::load(LARGE)?);
    let measured = measure(&mut loads, bench)?;
    for (at, (_, quantile)) in QUANTILES.iter().enumerate() {
        let case = format!("tail/1000_updates/{quantile}");
        let [floor_small, floor_large, ours @ ..] = measured.as_slice() else { continue };
        let row = |ours: &[f64; 3], n, reference: &[f64; 3], name: &str| {
            Row::new(case.clone(), n, "ns", ours[at]).beside(name, reference[at])
        };
        if let [small, large] = ours {
            let limit = (*quantile == "p99.99").then_some(2.0);
            bench.row(row(large, LARGE, small, &format!("ours at {SMALL}")).limited(limit))?;
            bench.row(row(small, SMALL, floor_small, floor::NAME))?;
            bench.row(row(large, LARGE, floor_large, floor::NAME))?;
            continue;
        }
        for (n, floor) in [(SMALL, floor_small), (LARGE, floor_large)] {
            bench.reference(Reference {
                case: case.clone(),
                n,
                threads: 1,
                reference: floor[at],
                reference_name: floor::NAME.to_owned(),
                unit: "ns",
                allocations: 0.0,
            })?;
        }
    }
    Ok(())
}

/// Per load, the medians of its quantiles.
fn measure(loads: &mut [Load], bench: &mut Bench<'_>) -> anyhow::Result<Vec<[f64; 3]>> {
    let (slices, length) =
        if bench.settings().is_full() { (9, Duration::from_millis(500)) } else { (1, Duration::from_millis(50)) };
    let mut quantiles = vec![[const { Vec::new() }; 3]; loads.len()];
    let mut rates = Vec::new();
    for _ in 0..slices {
        for (load, quantiles) in loads.iter_mut().zip(&mut quantiles) {
            let (histogram, rate) = slice(load, RATE, length);
            rates.push(rate);
            for ((share, _), quantile) in QUANTILES.iter().zip(quantiles) {
                quantile.push(histogram.quantile(*share));
            }
        }
    }
    bench.note(&format!("changes per second reached: {:.0}", median(rates)))?;
    Ok(quantiles.into_iter().map(|q| q.map(median)).collect())
}
