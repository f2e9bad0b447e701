//! A provider that is killed: when does the last client stop picking it?

use std::time::Duration;

use anyhow::{Context as _, ensure};
use sd_core::{DefaultEndpointer, Endpointer as _};
use sd_testkit::child::ChildRegistrant;

use super::row;
use crate::harness::case::{Bench, Explain};
use crate::harness::clock::Stopwatch;
use crate::harness::duel::median;
use crate::ours::endpoints::Uncalled;
use crate::ours::registry as ours;
use crate::registry::TTL;
use crate::registry::site::Site;

pub(super) const DYING: Explain = Explain {
    inside: "from SIGKILL of a process that registered one instance until the last of four clients, a connection each, picks it no more: the median and the slowest of all providers, killed one after the other at different moments between two heartbeats",
    outside: "starting the processes; the way from provider and clients to the registry is this machine's loopback",
};

/// How many processes are killed.
pub(super) const PROVIDERS: usize = 6;
const CLIENTS: usize = 4;
const SERVICE: &str = "dying";
/// Between two kills; a heartbeat comes every 3.3 s.
const BETWEEN: Duration = Duration::from_millis(700);
/// Seen by the last client within the TTL and a second.
const LIMIT: f64 = 1.1;

pub(super) fn dying(bench: &mut Bench<'_>, site: &Site) -> anyhow::Result<()> {
    let providers = if bench.settings().is_full() { bench.n() } else { 1 };
    let url = site.target().url();
    let ids: Vec<String> = (0..providers).map(|index| format!("provider-{index}")).collect();
    let mut children: Vec<_> = ids.iter().map(|id| ChildRegistrant::start(&url, SERVICE, id, 8000)).collect();
    let took = site.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let backend = ours::connect(site.target())?;
            let client = ours::follow(&*backend, &SERVICE.parse()?).await?;
            let known = client.cell().load().members().len();
            ensure!(known == providers, "a client knows {known} of {providers} providers");
            clients.push(client);
        }
        let watching: Vec<_> = clients.into_iter().map(|client| tokio::spawn(leavings(client, ids.clone()))).collect();
        let mut killed = Vec::new();
        for child in &mut children {
            tokio::time::sleep(BETWEEN).await;
            killed.push(Stopwatch::start());
            child.process().kill();
        }
        let mut slowest = vec![Duration::ZERO; providers];
        for client in watching {
            let left = tokio::time::timeout(TTL * 3, client).await.context("a provider is still picked")??;
            for ((slowest, killed), left) in slowest.iter_mut().zip(&killed).zip(left) {
                *slowest = (*slowest).max(killed.until(left));
            }
        }
        anyhow::Ok(slowest)
    })?;
    let took: Vec<f64> = took.iter().map(Duration::as_secs_f64).collect();
    let (ttl, slowest) = (("the TTL", TTL.as_secs_f64()), took.iter().copied().fold(0.0, f64::max));
    bench.row(row(site, "dying/median", providers, "s", ttl, median(took)))?;
    bench.row(row(site, "dying/slowest", providers, "s", ttl, slowest).limited(Some(LIMIT)))
}

/// When each of these instances could be picked no more.
async fn leavings(client: DefaultEndpointer<Uncalled>, ids: Vec<String>) -> Vec<Stopwatch> {
    let cell = client.cell();
    let mut left: Vec<Option<Stopwatch>> = vec![None; ids.len()];
    loop {
        let version = cell.version();
        for (id, left) in ids.iter().zip(&mut left).filter(|(_, left)| left.is_none()) {
            if !cell.load().members().iter().any(|member| member.instance().id() == id) {
                *left = Some(Stopwatch::start());
            }
        }
        if let Some(all) = left.iter().copied().collect() {
            return all;
        }
        cell.changed(version).await;
    }
}
