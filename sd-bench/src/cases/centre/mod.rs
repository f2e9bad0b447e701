//! Our own registry centre beside etcd on the same machine: what a server takes, with clients as bare as possible.

mod size;
mod throughput;
mod watchers;

use tokio::runtime::Runtime;
use tokio::task::LocalSet;

#[cfg(feature = "etcd")]
use super::registry::is_set;
use crate::harness::case::{Bench, Explain};
use crate::harness::duel::median;
use crate::harness::{Case, Row};
use crate::registry::centre::Ours;
use crate::registry::load::Load;

type Body = fn(&mut Bench<'_>, &Servers) -> anyhow::Result<()>;

const CASES: [(&str, usize, Explain, Body); 5] = [
    ("register_each", 2_000, throughput::REGISTER, throughput::register),
    ("renew", 1_000, throughput::RENEW, throughput::renew),
    ("last_of_watchers", 1_000, watchers::LAST, watchers::last),
    ("idle_watchers", 10_000, watchers::IDLE, watchers::idle),
    ("size", 100_000, size::SIZE, size::size),
];

pub(super) fn cases() -> Vec<Case> {
    let case = |(name, n, explain, body): (&str, usize, Explain, Body)| {
        Case::new(format!("centre/{name}"), n, explain, move |bench| body(bench, &Servers::new()?))
    };
    CASES.into_iter().map(case).collect()
}

/// Where servers are started, and clients live: this thread.
struct Servers {
    runtime: Runtime,
    local: LocalSet,
}

impl Servers {
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, local: LocalSet::new() })
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.local.block_on(&self.runtime, work)
    }

    /// The centre in memory and on disk, and etcd, if there is one.
    fn all(&self, bench: &mut Bench<'_>) -> anyhow::Result<Vec<Box<dyn Load>>> {
        let mut all: Vec<Box<dyn Load>> = Vec::new();
        for on_disk in [false, true] {
            all.push(Box::new(self.block_on(Ours::start(on_disk))?));
        }
        all.extend(self.peer(bench)?);
        Ok(all)
    }

    #[cfg(feature = "etcd")]
    fn peer(&self, bench: &mut Bench<'_>) -> anyhow::Result<Option<Box<dyn Load>>> {
        if !is_set(sd_testkit::etcd::VARIABLE) {
            bench.note("without etcd: no server was named; `cargo xtask bench` brings one up")?;
            return Ok(None);
        }
        let peer: Box<dyn Load> = Box::new(self.block_on(crate::registry::etcd::Peer::start())?);
        Ok(Some(peer))
    }

    #[cfg(not(feature = "etcd"))]
    fn peer(&self, bench: &mut Bench<'_>) -> anyhow::Result<Option<Box<dyn Load>>> {
        bench.note("without etcd, whose feature is not compiled in")?;
        Ok(None)
    }
}

/// The medians of what each server took: ours, each beside the last one, which is etcd where there is one.
fn rows(
    bench: &mut Bench<'_>,
    what: &str,
    unit: &'static str,
    servers: &[Box<dyn Load>],
    took: Vec<Vec<f64>>,
    limit: f64,
) -> anyhow::Result<()> {
    let took: Vec<f64> = took.into_iter().map(median).collect();
    let peer = servers.iter().zip(&took).find(|(server, _)| server.name() == "etcd");
    for (server, took) in servers.iter().zip(&took).filter(|(server, _)| server.name() != "etcd") {
        let row = Row::new(format!("centre/{what}/{}", server.name()), bench.n(), unit, *took);
        bench.row(match peer {
            Some((peer, reference)) => row.beside(peer.name(), *reference).limited(Some(limit)),
            None => row,
        })?;
    }
    Ok(())
}

/// Memory of a server's process that stands in RAM, in bytes; `None` where the system does not say.
fn resident(server: &dyn Load) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
