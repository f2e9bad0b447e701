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
    let row = |name: &str, ours| Row::new(format!("heap/per_instance/{name}"), N, "bytes", ours);
    for (name, promised, ours) in &layers {
        bench.row(match promised {
            Some(promised) => row(name, *ours).beside("what is promised", *promised).limited(Some(1.0)),
            None => row(name, *ours),
        })?;
    }
    let (whole, _, ours) = layers.first().context("nothing of ours is weighed")?;
    for &(name, n, build) in references {
        bench.row(row(whole, *ours).beside(name, per_instance(|| build(n), n)?))?;
    }
    Ok(())
}

fn per_instance(build: impl FnOnce() -> anyhow::Result<Box<dyn Any>>, n: usize) -> anyhow::Result<f64> {
    let (built, bytes) = heap_of(build);
    let built = built?;
    drop(built);
    Ok(bytes as f64 / n as f64)
}
