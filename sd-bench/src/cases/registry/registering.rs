//! Registering many instances from one process.

use std::time::Duration;

use super::{row_of_medians, sides};
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::registry::site::Site;

pub(super) const REGISTER: Explain = Explain {
    inside: "from connecting to the last acceptance; all at once, each by itself (no transaction over several)",
    outside: "starting the runtime, deregistering",
};

pub(super) fn register(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let sides = sides(site.registry());
    let mut took = [Vec::new(), Vec::new()];
    for _ in bench.rounds(15, Duration::from_secs(12)) {
        for (side, took) in sides.iter().zip(&mut took) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let watch = Stopwatch::start();
            let leave = runtime.block_on((side.register)(site.target(), side.service, n))?;
            took.push(watch.elapsed().as_secs_f64() * 1e3);
            // The next round finds nothing there to take over.
            runtime.block_on(leave())?;
        }
    }
    bench.row(row_of_medians(site, "register", n, "ms", sides[0].names[2], took))
}
