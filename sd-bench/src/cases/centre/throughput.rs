//! Registrations and renewals, as many as one client brings through.

use std::time::Duration;

use super::{Servers, rows};
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;

pub(super) const REGISTER: Explain = Explain {
    inside: "per registration: new instances, a request each, 64 in flight on one connection; etcd: puts under one lease",
    outside: "connecting; each server's other registrations stay: they grow by 2,000 a round",
};
pub(super) const RENEW: Explain = Explain {
    inside: "per renewal: 1,000 instances, once each; ours: one request renews all, as sd:// does; etcd: a keep-alive on the stream of each lease, all in flight",
    outside: "connecting, registering, opening the streams",
};

const LONGEST: Duration = Duration::from_secs(20);

pub(super) fn register(bench: &mut Bench<'_>, servers: &Servers) -> anyhow::Result<()> {
    let (n, all) = (bench.n(), servers.all(bench)?);
    let mut took = vec![Vec::new(); all.len()];
    for round in bench.rounds(9, LONGEST) {
        for (server, took) in all.iter().zip(&mut took) {
            let service = format!("round-{round}");
            let watch = Stopwatch::start();
            servers.block_on(server.register(&service, 0..n, 1))?;
            took.push(watch.elapsed().as_secs_f64() * 1e6 / n as f64);
        }
    }
    rows(bench, "register_each", "us", &all, took, 1.0)
}

pub(super) fn renew(bench: &mut Bench<'_>, servers: &Servers) -> anyhow::Result<()> {
    let (n, mut all) = (bench.n(), servers.all(bench)?);
    for server in &mut all {
        servers.block_on(server.hold("held", n))?;
    }
    let mut took = vec![Vec::new(); all.len()];
    for _ in bench.rounds(51, LONGEST) {
        for (server, took) in all.iter_mut().zip(&mut took) {
            let watch = Stopwatch::start();
            servers.block_on(server.renew())?;
            took.push(watch.elapsed().as_secs_f64() * 1e6 / n as f64);
        }
    }
    rows(bench, "renew", "us", &all, took, 0.5)
}
