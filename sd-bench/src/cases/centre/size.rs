//! 100,000 instances in one service: memory, start from disk, and a change.

use std::time::Duration;

use super::{Servers, resident, rows};
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;

pub(super) const SIZE: Explain = Explain {
    inside: "memory: the server's resident memory per instance; change: from a put to the event that one watcher reads; start: from kill -9 until the server answers",
    outside: "filling; of the start: in memory there is nothing to read",
};

const LONGEST: Duration = Duration::from_secs(10);
const SERVICE: &str = "large";

pub(super) fn size(bench: &mut Bench<'_>, servers: &Servers) -> anyhow::Result<()> {
    let (n, all) = (bench.n(), servers.all(bench)?);
    let n = if bench.settings().is_full() { n } else { n / 100 };
    let mut weighed = vec![Vec::new(); all.len()];
    for (server, weighed) in all.iter().zip(&mut weighed) {
        let before = resident(&**server);
        servers.block_on(server.register(SERVICE, 0..n, 1))?;
        if let (Some(before), Some(after)) = (before, resident(&**server)) {
            weighed.push((after - before) / n as f64);
        }
    }
    rows(bench, "size/memory", "bytes", &all, weighed, 1.0)?;

    let mut watchers = Vec::new();
    for server in &all {
        watchers.push(servers.block_on(server.watch(SERVICE, 1))?);
    }
    let mut took = vec![Vec::new(); all.len()];
    for round in bench.rounds(201, LONGEST) {
        for ((server, watchers), took) in all.iter().zip(&mut watchers).zip(&mut took) {
            let index = round * 7919 % n;
            let watch = Stopwatch::start();
            let put = server.register(SERVICE, index..index + 1, round as u32 + 2);
            let (put, told) = servers.block_on(async { tokio::join!(put, watchers.told()) });
            put?;
            took.push(watch.until(told?).as_secs_f64() * 1e6);
        }
    }
    drop(watchers);
    rows(bench, "size/change", "us", &all, took, 1.0)?;

    let mut took = vec![Vec::new(); all.len()];
    for _ in bench.rounds(5, LONGEST) {
        for (server, took) in all.iter().zip(&mut took) {
            let watch = Stopwatch::start();
            servers.block_on(server.server().restart())?;
            took.push(watch.elapsed().as_secs_f64() * 1e3);
        }
    }
    rows(bench, "size/start", "ms", &all, took, 1.0)
}
