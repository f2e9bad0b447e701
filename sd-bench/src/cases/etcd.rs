//! Against a real etcd: how long a change takes, what it costs to be told, listing and registering.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::etcd::keys::{Mark, OURS, RAW};
use crate::etcd::observer::{Connect, Local, Observer};
use crate::etcd::proxy::Proxy;
use crate::etcd::raw;
use crate::etcd::server::{BINARY, Server, url};
use crate::etcd::writer::Writer;
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::harness::duel::median;
use crate::harness::report::Reference;
use crate::harness::{Case, Row};
use crate::ours::etcd as ours;

const EVENT: Explain = Explain {
    inside: "from the writer's put to its event (ours: to the first pick that knows it), single changes, medians",
    outside: "connecting, the first list; writer and observer have a thread and a connection each; etcd is on this machine",
};
const BYTES: Explain = Explain {
    inside: "bytes that the observer's connection brings per put, single changes (burst: 200 puts in flight at once), HTTP/2 frames included",
    outside: "connecting, the first list, TCP headers, the writer's connection",
};
const BURST: Explain = Explain {
    inside: "200 puts in flight at once; cpu: of the observing thread alone; wall: from the first put until all are seen",
    outside: "connecting, the first list, the writer's CPU time",
};
const LIST: Explain = Explain {
    inside: "from connecting to the last page (ours: to the first live snapshot)",
    outside: "starting the runtime, dropping what was read",
};
const REGISTER: Explain = Explain {
    inside: "from connecting to the last acceptance; all at once, each by itself (no transaction over several)",
    outside: "starting the runtime, deregistering",
};

/// How many puts a burst has.
const PUTS: usize = 200;

type Body = fn(&mut Bench<'_>, &Server) -> anyhow::Result<()>;

pub(super) fn cases() -> Vec<Case> {
    let cases: [(&str, usize, Explain, Body); 8] = [
        ("etcd/put_to_picked", 10, EVENT, put_to_picked),
        ("etcd/put_to_picked", 1_000, EVENT, put_to_picked),
        ("etcd/put_to_picked", 10_000, EVENT, put_to_picked),
        ("etcd/bytes_per_event", 10, BYTES, bytes_per_event),
        ("etcd/bytes_per_event", 10_000, BYTES, bytes_per_event),
        ("etcd/burst", 10_000, BURST, burst),
        ("etcd/list", 10_000, LIST, list),
        ("etcd/register", 1_000, REGISTER, register),
    ];
    cases
        .map(|(name, n, explain, body)| {
            Case::new(name, n, explain, move |bench| match Server::start()? {
                Some(server) => body(bench, &server),
                None => bench.note(&format!("skipped: {BINARY} names no etcd binary")),
            })
        })
        .into()
}

/// The services, each with who watches it: the floor's, and ours if it is there.
fn sides() -> Vec<(&'static str, Connect)> {
    let mut sides: Vec<(&'static str, Connect)> = vec![(RAW, raw::watch)];
    sides.extend(ours::watch().map(|connect| (OURS, connect)));
    sides
}

fn rounds(bench: &Bench<'_>, full: usize) -> usize {
    if bench.settings().is_full() { full } else { 2 }
}

/// Prints the floor (first) and ours (second, if it is there).
fn print(
    bench: &mut Bench<'_>,
    case: &str,
    reference_name: &str,
    unit: &'static str,
    of: &[f64],
    limit: Option<f64>,
) -> anyhow::Result<()> {
    let (case, n, reference_name) = (case.to_owned(), bench.n(), reference_name.to_owned());
    let reference = *of.first().context("nothing was measured")?;
    let Some(ours) = of.get(1).copied() else {
        return bench.reference(Reference { case, n, threads: 1, reference, reference_name, unit, allocations: 0.0 });
    };
    let (allocations, allocations_limit) = (None, None);
    let reference = Some(reference);
    bench.row(Row { case, n, threads: 1, ours, reference, reference_name, limit, unit, allocations, allocations_limit })
}

fn put_to_picked(bench: &mut Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let n = bench.n();
    let mut writer = Writer::connect(server)?;
    let mut observers = Vec::new();
    for (service, connect) in sides() {
        writer.fill(service, n)?;
        observers.push((service, Observer::start(connect, url(server.port()), service)?));
    }
    let mut took = vec![Vec::new(); observers.len()];
    for round in 0..rounds(bench, 500) {
        for ((service, observer), took) in observers.iter().zip(&mut took) {
            let mark = Mark::new(round * 7919 % n, round as u32 + 2);
            observer.look_for(vec![mark.clone()])?;
            let put = writer.put(service, &mark)?;
            took.push(put.until(observer.wait()?.at).as_secs_f64() * 1e6);
        }
    }
    let medians: Vec<f64> = took.iter().cloned().map(median).collect();
    let limit = if n >= 10_000 { 1.5 } else { 1.3 };
    print(bench, "etcd/put_to_picked", raw::WATCH, "us", &medians, Some(limit))?;
    let slowest: Vec<f64> = took.into_iter().map(p99).collect();
    print(bench, "etcd/put_to_picked/p99", raw::WATCH, "us", &slowest, None)
}

fn p99(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of.get((of.len() * 99 / 100).min(of.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn bytes_per_event(bench: &mut Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let n = bench.n();
    let mut writer = Writer::connect(server)?;
    let (mut bytes, mut bytes_in_a_burst) = (Vec::new(), Vec::new());
    for (service, connect) in sides() {
        writer.fill(service, n)?;
        let proxy = Proxy::start(server.port())?;
        let observer = Observer::start(connect, url(proxy.port()), service)?;
        let before = proxy.received();
        for round in 0..PUTS {
            let mark = Mark::new(round * 7919 % n, round as u32 + 2);
            observer.look_for(vec![mark.clone()])?;
            writer.put(service, &mark)?;
            observer.wait()?;
        }
        bytes.push((proxy.received() - before) as f64 / PUTS as f64);
        // Of several puts of one instance in flight at once nobody knows which is the last.
        if n >= PUTS {
            let before = proxy.received();
            let marks: Vec<Mark> = (0..PUTS).map(|i| Mark::new(i * 7919 % n, (PUTS + i) as u32 + 2)).collect();
            observer.look_for(marks.clone())?;
            writer.burst(service, &marks)?;
            observer.wait()?;
            bytes_in_a_burst.push((proxy.received() - before) as f64 / PUTS as f64);
        }
    }
    if !bytes_in_a_burst.is_empty() {
        print(bench, "etcd/bytes_per_event/burst", raw::WATCH, "bytes", &bytes_in_a_burst, Some(1.5))?;
    }
    print(bench, "etcd/bytes_per_event", raw::WATCH, "bytes", &bytes, Some(1.5))
}

fn burst(bench: &mut Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let n = bench.n();
    let mut writer = Writer::connect(server)?;
    let mut observers = Vec::new();
    for (service, connect) in sides() {
        writer.fill(service, n)?;
        observers.push((service, Observer::start(connect, url(server.port()), service)?));
    }
    let (mut cpu, mut wall) = (vec![Vec::new(); observers.len()], vec![Vec::new(); observers.len()]);
    for round in 0..rounds(bench, 15) {
        for (side, (service, observer)) in observers.iter().enumerate() {
            let marks: Vec<Mark> = (0..PUTS).map(|i| Mark::new(i * 7919 % n, round as u32 + 2)).collect();
            let before = observer.cpu()?;
            observer.look_for(marks.clone())?;
            let began = writer.burst(service, &marks)?;
            let seen = observer.wait()?;
            cpu[side].push((seen.cpu - before).as_secs_f64() * 1e3);
            wall[side].push(began.until(seen.at).as_secs_f64() * 1e3);
        }
    }
    let medians = |of: Vec<Vec<f64>>| of.into_iter().map(median).collect::<Vec<f64>>();
    print(bench, "etcd/burst/cpu", &format!("{}, {PUTS} puts", raw::WATCH), "ms", &medians(cpu), None)?;
    print(bench, "etcd/burst/wall", &format!("{}, {PUTS} puts", raw::WATCH), "ms", &medians(wall), None)
}

fn list(bench: &mut Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let n = bench.n();
    let mut writer = Writer::connect(server)?;
    let mut sides: Vec<(&'static str, ours::List)> = vec![(RAW, raw::list)];
    sides.extend(ours::list().map(|list| (OURS, list)));
    for (service, _) in &sides {
        writer.fill(service, n)?;
    }
    let port = server.port();
    let sides = sides.into_iter().map(|(service, list)| {
        move || -> anyhow::Result<Duration> {
            let (took, found) = alone(|| list(url(port), service), |found| found)?;
            ensure!(found == n, "{service}: {found} instances instead of {n}");
            Ok(took)
        }
    });
    in_turns(bench, "etcd/list", raw::LIST, sides.collect())
}

fn register(bench: &mut Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let n = bench.n();
    let mut sides: Vec<(&'static str, ours::Register)> = vec![(RAW, raw::register)];
    sides.extend(ours::register().map(|register| (OURS, register)));
    let port = server.port();
    let sides = sides.into_iter().map(|(service, register)| {
        move || -> anyhow::Result<Duration> { Ok(alone(|| register(url(port), service, n), drop)?.0) }
    });
    in_turns(bench, "etcd/register", raw::REGISTER, sides.collect())
}

fn in_turns<F>(bench: &mut Bench<'_>, case: &str, reference_name: &str, sides: Vec<F>) -> anyhow::Result<()>
where
    F: Fn() -> anyhow::Result<Duration>,
{
    let mut took = vec![Vec::new(); sides.len()];
    for _ in 0..rounds(bench, 15) {
        for (side, took) in sides.iter().zip(&mut took) {
            took.push(side()?.as_secs_f64() * 1e3);
        }
    }
    let medians: Vec<f64> = took.into_iter().map(median).collect();
    print(bench, case, reference_name, "ms", &medians, None)
}

/// Runs a future on a runtime of its own; gives how long it took.
///
/// What it gave is dropped on the runtime, outside of that.
fn alone<T, U>(work: impl FnOnce() -> Local<'static, T>, after: impl FnOnce(T) -> U) -> anyhow::Result<(Duration, U)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = Stopwatch::start();
    let done = runtime.block_on(work())?;
    let took = watch.elapsed();
    Ok((took, runtime.block_on(async { after(done) })))
}
