//! A generated client's unary calls over our channel, beside tonic's own channels.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::floors::grpc as floor;
use crate::grpc::load::Loaded;
use crate::grpc::server::Servers;
use crate::harness::case::{Bench, Explain};
use crate::harness::duel::median;
use crate::harness::{Case, Row};
use crate::ours::grpc as ours;
use crate::peers::grpc as peer;

const EXPLAIN: Explain = Explain {
    inside: "unary calls of 100 bytes and back, of a client as tonic generates it, 1 or 64 callers on two worker threads, over loopback; the servers' work, on two further threads of the same cores",
    outside: "connecting; slices of 300 ms take turns, medians of nine; allocations are counted with one caller, of all that runs on the client's one thread",
};

const CALLERS: [usize; 2] = [1, 64];
/// At least 0.95 of the calls per second of one tonic channel, with one instance.
const AGAINST_FLOOR: f64 = 1.0 / 0.95;
/// Ahead of tonic's balanced channel, everywhere.
const AGAINST_PEER: f64 = 1.0;

pub(super) fn cases() -> Vec<Case> {
    let sizes = [1, 3, 100];
    let case = |callers: usize| {
        sizes.map(|n| Case::new(format!("grpc/unary_{callers}"), n, EXPLAIN, move |bench| run(bench, callers)))
    };
    CALLERS.into_iter().flat_map(case).collect()
}

/// Medians of time per call, p50 and p99, and allocations per call.
struct Measured {
    costs: [f64; 3],
    allocations: f64,
}

const COSTS: [&str; 3] = ["per_call", "p50", "p99"];

fn run(bench: &mut Bench<'_>, callers: usize) -> anyhow::Result<()> {
    let servers = Servers::start(bench.n())?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let slices = measure(bench, &runtime, &servers, callers)?;
    let one_thread = Builder::new_current_thread().enable_all().build()?;
    let allocations = channels(&one_thread, &servers)?.map(|loaded| loaded.allocations(&one_thread, 200));
    let mut measured = Vec::new();
    for (costs, allocations) in slices.into_iter().zip(allocations) {
        measured.push(Measured { costs, allocations: allocations? });
    }
    let [ours, floor, peer] = measured.as_slice() else { return Ok(()) };
    for (at, cost) in COSTS.into_iter().enumerate() {
        let row = |reference: &Measured, name: &str, limit: Option<f64>| Row {
            threads: 2,
            allocations: Some(ours.allocations),
            ..Row::new(format!("grpc/unary_{callers}/{cost}"), servers.addresses.len(), "ns", ours.costs[at])
                .beside(name, reference.costs[at])
                .limited(limit.filter(|_| at == 0))
        };
        bench.row(row(floor, floor::NAME, (bench.n() == 1).then_some(AGAINST_FLOOR)))?;
        bench.row(row(peer, peer::NAME, Some(AGAINST_PEER)))?;
    }
    bench.note(&format!(
        "allocations per call: ours {:.1}, {} {:.1}, {} {:.1}",
        ours.allocations,
        floor::NAME,
        floor.allocations,
        peer::NAME,
        peer.allocations
    ))
}

fn channels(runtime: &Runtime, servers: &Servers) -> anyhow::Result<[Loaded; 3]> {
    let _inside = runtime.enter();
    let ours = runtime.block_on(ours::channel(&servers.addresses))?;
    let floor = runtime.block_on(floor::channel(servers.addresses[0]))?;
    Ok([ours, floor, peer::channel(&servers.addresses)?])
}

fn measure(bench: &Bench<'_>, runtime: &Runtime, servers: &Servers, callers: usize) -> anyhow::Result<[[f64; 3]; 3]> {
    let is_full = bench.settings().is_full();
    let (rounds, length) = if is_full { (9, Duration::from_millis(300)) } else { (1, Duration::from_millis(30)) };
    let channels = channels(runtime, servers)?;
    for loaded in &channels {
        loaded.slice(runtime, callers, length)?;
    }
    let mut costs = [const { [const { Vec::new() }; 3] }; 3];
    for _ in 0..rounds {
        for (loaded, costs) in channels.iter().zip(&mut costs) {
            let slice = loaded.slice(runtime, callers, length)?;
            costs[0].push(slice.per_call);
            costs[1].push(slice.latencies.quantile(0.5));
            costs[2].push(slice.latencies.quantile(0.99));
        }
    }
    Ok(costs.map(|costs| costs.map(median)))
}
