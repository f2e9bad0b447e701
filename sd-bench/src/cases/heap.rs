//! What an instance weighs among 100,000.

use crate::harness::alloc::heap_of;
use crate::harness::case::{Bench, Explain};
use crate::harness::report::Reference;
use crate::harness::{Case, Row};
use crate::ours::heap as ours;
use crate::peers::heap::{self, Build};

const EXPLAIN: Explain = Explain {
    inside: "bytes asked of the allocator and still alive when all instances are there, divided by their number",
    outside: "the allocator's own overhead; what building needed and has given back",
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
    let ours = ours::builds()
        .into_iter()
        .map(|(name, build)| Ok((name, per_instance(build, N)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for &(name, n, build) in references {
        let reference = per_instance(build, n)?;
        for (ours_name, ours) in &ours {
            bench.row(Row {
                case: format!("heap/per_instance/{ours_name}"),
                n: N,
                threads: 1,
                ours: *ours,
                reference: Some(reference),
                reference_name: name.to_owned(),
                limit: None,
                unit: "bytes",
                allocations: None,
                allocations_limit: None,
            })?;
        }
        if ours.is_empty() {
            bench.reference(Reference {
                case: "heap/per_instance".to_owned(),
                n,
                threads: 1,
                reference,
                reference_name: name.to_owned(),
                unit: "bytes",
                allocations: 0.0,
            })?;
        }
    }
    Ok(())
}

fn per_instance(build: Build, n: usize) -> anyhow::Result<f64> {
    let (built, bytes) = heap_of(|| build(n));
    let built = built?;
    drop(built);
    Ok(bytes as f64 / n as f64)
}
