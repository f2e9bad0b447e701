//! A registry that is killed and started again: when are all registrations back?

use std::time::Duration;

use anyhow::ensure;

use super::{row_of_medians, sides};
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::registry::site::Site;

pub(super) const COMING_BACK: Explain = Explain {
    inside: "from kill -9 of the registry, which is started again at once, until a new reader finds all registrations of one process there (Consul: passing); beside it: from kill -9 until the registry answers at all",
    outside: "registering before that; each time on a new server, so that no backoff remembers the time before",
};

/// What it is compared with is the registry's own start.
const ANSWERS: &str = "until the registry answers";
/// How often a reader looks.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn coming_back(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    for (what, with_data) in [("coming_back/with_data", true), ("coming_back/without_data", false)] {
        let mut took = [Vec::new(), Vec::new()];
        for _ in bench.rounds(3, Duration::from_secs(15)) {
            let once = once(&Site::start(site.registry())?, n, with_data)?;
            for (took, one) in took.iter_mut().zip(once) {
                took.push(one.as_secs_f64());
            }
        }
        bench.row(row_of_medians(site, what, n, "s", ANSWERS, took))?;
    }
    Ok(())
}

/// Until the registry answered, and until all were back.
fn once(site: &Site, n: usize, with_data: bool) -> anyhow::Result<[Duration; 2]> {
    let [floor, ours] = sides(site.registry());
    site.block_on(async {
        let _registered = (ours.register)(site.target(), ours.service, n).await?;
        let watch = Stopwatch::start();
        site.server().kill();
        if with_data {
            site.server().restart().await?;
        } else {
            site.server().restart_empty().await?;
        }
        let answers = watch.elapsed();
        loop {
            // A registry that has just come up may break off a reader.
            let found = (floor.list)(site.target(), ours.service).await;
            if found.as_ref().is_ok_and(|found| *found == n) {
                return Ok([answers, watch.elapsed()]);
            }
            ensure!(watch.elapsed() < PATIENCE, "not all {n} are back within {PATIENCE:?}: {found:?}");
            tokio::time::sleep(PAUSE).await;
        }
    })
}
