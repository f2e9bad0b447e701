//! Many watchers of one service: how long a change takes to the last of them, and what those cost to whom nothing
//! happens.

use std::time::Duration;

use super::{Servers, resident, rows};
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::registry::load::Load;

pub(super) const LAST: Explain = Explain {
    inside: "from a put to the moment at which the last of 1,000 watchers, a connection each, was told; one thread reads all of them",
    outside: "connecting, the snapshots",
};
pub(super) const IDLE: Explain = Explain {
    inside: "the server's resident memory per watcher, a connection each, of a service with one instance: after less before (etcd: of a tenth as many)",
    outside: "the kernel's memory for their sockets, the clients' own",
};

const LONGEST: Duration = Duration::from_secs(20);

pub(super) fn last(bench: &mut Bench<'_>, servers: &Servers) -> anyhow::Result<()> {
    let (n, all) = (bench.n(), servers.all(bench)?);
    let mut watchers = Vec::new();
    for server in &all {
        servers.block_on(server.register("watched", 0..10, 1))?;
        watchers.push(servers.block_on(server.watch("watched", n))?);
    }
    let mut took = vec![Vec::new(); all.len()];
    for round in bench.rounds(51, LONGEST) {
        for ((server, watchers), took) in all.iter().zip(&mut watchers).zip(&mut took) {
            let watch = Stopwatch::start();
            let put = server.register("watched", round % 10..round % 10 + 1, round as u32 + 2);
            let (put, told) = servers.block_on(async { tokio::join!(put, watchers.told()) });
            put?;
            took.push(watch.until(told?).as_secs_f64() * 1e3);
        }
    }
    rows(bench, "last_of_watchers", "ms", &all, took, 1.0)
}

pub(super) fn idle(bench: &mut Bench<'_>, servers: &Servers) -> anyhow::Result<()> {
    let (n, all) = (bench.n(), servers.all(bench)?);
    let n = if bench.settings().is_full() { n } else { n / 100 };
    let mut weighed = vec![Vec::new(); all.len()];
    for (server, weighed) in all.iter().zip(&mut weighed) {
        servers.block_on(server.register("watched", 0..1, 1))?;
        let n = if server.name() == "etcd" { n / 10 } else { n };
        let Some(bytes) = grown(&**server, servers, n)? else {
            return bench.note("skipped: this system does not say what memory a process has");
        };
        weighed.push(bytes / n as f64);
    }
    rows(bench, "idle_watchers", "bytes", &all, weighed, 0.5)
}

fn grown(server: &dyn Load, servers: &Servers, n: usize) -> anyhow::Result<Option<f64>> {
    let Some(before) = resident(server) else { return Ok(None) };
    let watchers = servers.block_on(server.watch("watched", n))?;
    let after = resident(server);
    drop(watchers);
    Ok(after.map(|after| after - before))
}
