//! How long a change takes until it is picked, what being told of it costs, and many changes at once.

use std::time::Duration;

use super::{row, row_of_medians, sides};
use crate::harness::case::{Bench, Explain};
use crate::registry::Side;
use crate::registry::mark::Mark;
use crate::registry::meter::Meter;
use crate::registry::observer::Observer;
use crate::registry::site::Site;

pub(super) const LATENCY: Explain = Explain {
    inside: "from the writer's put to its event (ours: to the first pick that knows it), single changes; medians, and p99",
    outside: "connecting, the first list; writer and observer have a thread and a connection each; the registry is on this machine",
};
pub(super) const BYTES: Explain = Explain {
    inside: "bytes that the observer's connections bring per put, single changes (burst: 200 puts in flight at once), the protocol's own framing included",
    outside: "connecting, the first list, TCP headers, the writer's connection",
};
pub(super) const BURST: Explain = Explain {
    inside: "200 puts, as many in flight at once as the registry takes; cpu: of the observing thread alone; wall: from the first put until all are seen",
    outside: "connecting, the first list, the writer's CPU time, threads that a client starts by itself",
};

/// How many puts a burst has.
const PUTS: usize = 200;
const FULL_ROUNDS: usize = 500;
/// Where an event is a whole list, as in Consul, a change among 10,000 takes a good part of a second.
const LONGEST: Duration = Duration::from_secs(12);

pub(super) fn latency(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let writer = site.writer()?;
    let sides = sides(site.registry());
    for side in &sides {
        writer.fill(side.service, n)?;
    }
    let observers = [observe(&sides[0], site)?, observe(&sides[1], site)?];
    let mut took = [Vec::new(), Vec::new()];
    for round in bench.rounds(FULL_ROUNDS, LONGEST) {
        for ((side, observer), took) in sides.iter().zip(&observers).zip(&mut took) {
            let mark = mark(round, n, round + 2);
            observer.look_for(vec![mark.clone()])?;
            let put = writer.put(side.service, &mark)?;
            took.push(put.until(observer.wait()?.at).as_secs_f64() * 1e6);
        }
    }
    if took[0].len() < FULL_ROUNDS {
        bench.note(&format!("{} changes each: p99 is among the slowest few", took[0].len()))?;
    }
    let (limits, name) = (site.registry().limits(), sides[0].names[0]);
    let limit = if n >= 10_000 { limits.event_among_many } else { limits.event };
    let [floor, ours] = took.clone().map(p99);
    bench.row(row_of_medians(site, "put_to_picked", n, "us", name, took).limited(limit))?;
    bench.row(row(site, "put_to_picked/p99", n, "us", (name, floor), ours))
}

pub(super) fn bytes(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let writer = site.writer()?;
    let sides = sides(site.registry());
    let mut bytes = [0.0; 2];
    // Of several puts of one instance in flight at once nobody knows which is the last.
    let mut in_a_burst = (n >= PUTS).then_some([0.0; 2]);
    for (at, side) in sides.iter().enumerate() {
        writer.fill(side.service, n)?;
        let meter = Meter::start(site.target());
        let observer = Observer::start(side.watch, meter.target(), side.service)?;
        let before = meter.read();
        let mut rounds = 0;
        for round in bench.rounds(PUTS, LONGEST) {
            let mark = mark(round, n, round + 2);
            observer.look_for(vec![mark.clone()])?;
            writer.put(side.service, &mark)?;
            observer.wait()?;
            rounds += 1;
        }
        bytes[at] = meter.read().since(before).received as f64 / f64::from(rounds);
        if let Some(in_a_burst) = &mut in_a_burst {
            let before = meter.read();
            let marks: Vec<Mark> = (0..PUTS).map(|i| mark(i, n, PUTS + 2)).collect();
            observer.look_for(marks.clone())?;
            writer.burst(side.service, &marks)?;
            observer.wait()?;
            in_a_burst[at] = meter.read().since(before).received as f64 / PUTS as f64;
        }
    }
    let (limit, name) = (site.registry().limits().bytes, sides[0].names[0]);
    if let Some([floor, ours]) = in_a_burst {
        bench.row(row(site, "bytes_per_event/burst", n, "bytes", (name, floor), ours).limited(limit))?;
    }
    bench.row(row(site, "bytes_per_event", n, "bytes", (name, bytes[0]), bytes[1]).limited(limit))
}

pub(super) fn burst(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let n = bench.n();
    let writer = site.writer()?;
    let sides = sides(site.registry());
    for side in &sides {
        writer.fill(side.service, n)?;
    }
    let observers = [observe(&sides[0], site)?, observe(&sides[1], site)?];
    let (mut cpu, mut wall) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in bench.rounds(15, LONGEST) {
        for (at, (side, observer)) in sides.iter().zip(&observers).enumerate() {
            let marks: Vec<Mark> = (0..PUTS).map(|i| mark(i, n, round + 2)).collect();
            let before = observer.cpu()?;
            observer.look_for(marks.clone())?;
            let began = writer.burst(side.service, &marks)?;
            let seen = observer.wait()?;
            cpu[at].push((seen.cpu - before).as_secs_f64() * 1e3);
            wall[at].push(began.until(seen.at).as_secs_f64() * 1e3);
        }
    }
    let name = format!("{}, {PUTS} puts", sides[0].names[0]);
    bench.row(row_of_medians(site, "burst/cpu", n, "ms", &name, cpu))?;
    bench.row(row_of_medians(site, "burst/wall", n, "ms", &name, wall))
}

fn observe(side: &Side, site: &Site) -> anyhow::Result<Observer> {
    Observer::start(side.watch, site.target(), side.service)
}

/// The `i`th change among `n`: 7919 is prime and divides none of our sizes, so every instance comes up.
fn mark(i: usize, n: usize, weight: usize) -> Mark {
    Mark::new(i * 7919 % n, weight as u32)
}

fn p99(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of.get((of.len() * 99 / 100).min(of.len().saturating_sub(1))).copied().unwrap_or_default()
}
