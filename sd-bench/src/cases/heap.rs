//! What an instance weighs among 100,000.

use std::any::Any;

use anyhow::Context as _;

use crate::harness::alloc::heap_of;
use crate::harness::case::{Bench, Explain};
use crate::harness::{Case, Row};
use crate::ours::heap as ours;
use crate::peers::heap::{self, Build};

const EXPLAIN: Explain = Explain {
    inside: "bytes asked of the allocator and still alive when all instances are there, divided by their number",
    outside: "the allocator's own overhead; what building needed and has given back; of ours: the ids' text, the service itself",
};

const N: usize = 100_000;

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("heap/per_instance", N, EXPLAIN, run)]
}

fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let references: &[(&str, usize, Build)] = &[
        (heap::FLOOR, N, heap::floor),
        (heap::VOLO, N, heap::volo),
        (heap::TOWER, N, heap::tower),
        #[cfg(feature = "pingora")]
        (heap::PINGORA, crate::peers::pingora::MOST, heap::pingora),
    ];
    let mut layers = Vec::new();
    for layer in ours::layers(N)? {
        layers.push((layer.name, layer.promised, per_instance(&layer.build, N)?));
    }
    let mut row = |name: &str, ours, reference, reference_name: &str, limit| {
        bench.row(Row {
            case: format!("heap/per_instance/{name}"),
            n: N,
            threads: 1,
            ours,
            reference,
            reference_name: reference_name.to_owned(),
            limit,
            unit: "bytes",
            allocations: None,
            allocations_limit: None,
        })
    };
    for (name, promised, ours) in &layers {
        row(
            name,
            *ours,
            *promised,
            promised.map_or("nothing promised", |_| "what is promised"),
            promised.map(|_| 1.0),
        )?;
    }
    let (whole, _, ours) = layers.first().context("nothing of ours is weighed")?;
    for &(name, n, build) in references {
        row(whole, *ours, Some(per_instance(|| build(n), n)?), name, None)?;
    }
    Ok(())
}

fn per_instance(build: impl FnOnce() -> anyhow::Result<Box<dyn Any>>, n: usize) -> anyhow::Result<f64> {
    let (built, bytes) = heap_of(build);
    let built = built?;
    drop(built);
    Ok(bytes as f64 / n as f64)
}
