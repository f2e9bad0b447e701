//! Reading a service for the first time: how long it takes, and how much memory.

use std::time::Duration;

use anyhow::ensure;

use super::{row, row_of_medians, sides};
use crate::harness::alloc::peak_of;
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::registry::Side;
use crate::registry::site::Site;

pub(super) const LIST: Explain = Explain {
    inside: "from connecting until all is read (ours: to the first live snapshot); peak: most bytes asked of the allocator and alive at once meanwhile",
    outside: "starting the runtime, dropping what was read; the allocator's own overhead, the registry's memory",
};

pub(super) fn list(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let writer = site.writer()?;
    let sides = sides(site.registry());
    for side in &sides {
        writer.fill(side.service, n)?;
    }
    let mut took = [Vec::new(), Vec::new()];
    for _ in bench.rounds(15, Duration::from_secs(10)) {
        for (side, took) in sides.iter().zip(&mut took) {
            took.push(read(side, site, n)?.as_secs_f64() * 1e3);
        }
    }
    // Apart from what is timed: looking at memory costs time.
    let mut peaks = [0.0; 2];
    for (side, peak) in sides.iter().zip(&mut peaks) {
        let (done, bytes) = peak_of(|| read(side, site, n));
        done?;
        *peak = bytes as f64 / f64::from(1 << 20);
    }
    let name = sides[0].names[1];
    bench.row(row_of_medians(site, "list", n, "ms", name, took))?;
    bench.row(row(site, "list/peak", n, "MiB", (name, peaks[0]), peaks[1]))
}

/// On a runtime of its own, as a program that starts.
fn read(side: &Side, site: &Site, n: usize) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = Stopwatch::start();
    let found = runtime.block_on((side.list)(site.target(), side.service))?;
    let took = watch.elapsed();
    ensure!(found == n, "{}: {found} instances instead of {n}", side.service);
    Ok(took)
}
