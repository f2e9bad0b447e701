//! What a connection costs while nothing happens.

use std::time::Duration;

use super::sides;
use crate::harness::Row;
use crate::harness::case::{Bench, Explain};
use crate::ours::registry as ours;
use crate::registry::meter::{Meter, Reading};
use crate::registry::site::Site;

pub(super) const IDLE: Explain = Explain {
    inside: "requests, and bytes both ways, through a proxy, while nothing changes: one watched service of 10 instances; so many registrations of one process. Measured for 30 s, which is nine heartbeats, and scaled to an hour (Consul's watch asks every 6 s for this, and is scaled to the 60 s that are its default)",
    outside: "connecting and the first 5 s; what comes more rarely than every 30 s, as an audit; TCP headers",
};

/// How many instances the watched service has.
const WATCHED: usize = 10;
const HOUR: f64 = 3600.0;

pub(super) fn idle(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let (settling, window) =
        if bench.settings().is_full() { (5, Duration::from_secs(30)) } else { (1, Duration::from_secs(2)) };
    let watch = site.registry().idle_watch();
    let [floor, side] = sides(site.registry());
    site.writer()?.fill(floor.service, WATCHED)?;
    // A connection each, so that each is told of alone.
    let [watching, registering] =
        [Meter::start(site.target().with_options(watch.options)), Meter::start(site.target())];
    let readings = site.block_on(async {
        let backend = ours::connect(watching.target())?;
        let mut subscription = backend.subscribe(&floor.service.parse()?);
        subscription.known().await;
        let leave = (side.register)(registering.target(), side.service, n).await?;
        tokio::time::sleep(Duration::from_secs(settling)).await;
        let before = [watching.read(), registering.read()];
        tokio::time::sleep(window).await;
        let readings = [watching.read().since(before[0]), registering.read().since(before[1])];
        leave().await?;
        anyhow::Ok(readings)
    })?;
    let hours = window.as_secs_f64() / HOUR;
    rows(bench, site, "watch", WATCHED, readings[0], hours * watch.slower)?;
    rows(bench, site, "registrations", n, readings[1], hours)
}

fn rows(bench: &mut Bench<'_>, site: &Site, what: &str, n: usize, passed: Reading, hours: f64) -> anyhow::Result<()> {
    let name = |measure| format!("{}/idle/{what}/{measure}", site.registry().name());
    bench.row(Row::new(name("requests"), n, "per hour", passed.requests as f64 / hours))?;
    bench.row(Row::new(name("bytes"), n, "KiB per hour", (passed.sent + passed.received) as f64 / 1024.0 / hours))
}
