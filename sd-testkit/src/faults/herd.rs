//! Many come back at once.

use std::time::Duration;

use sd_core::{Basis, Snapshot};
use tokio::time::Instant;

use crate::PATIENCE;
use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{random_service, registration};
use crate::waiting::{soon, until};

const WINDOW: Duration = Duration::from_millis(200);

/// Registrants with a connection each, 200 where the registry takes as many, and it restarts empty: all are back, and
/// not all at the same time.
pub async fn a_herd_comes_back_without_felling_the_registry(env: &dyn Environment) {
    let service = random_service();
    let herd = u16::try_from(env.capabilities().most_registrants.min(200)).expect("at most 200");
    let is_whole = |snapshot: &Snapshot| {
        snapshot.freshness().is_live() && *snapshot.basis() == Basis::Registry && snapshot.len() == usize::from(herd)
    };
    let registering = (0..herd).map(|number| {
        let registry = env.connect(&ConnectOptions::default());
        let given = registration(&service, &format!("i{number:03}"), 1000 + number);
        tokio::spawn(async move { registry.register(given).await })
    });
    let mut handles = Vec::new();
    for registering in registering.collect::<Vec<_>>() {
        handles.push(soon("register", registering).await.unwrap().unwrap());
    }
    let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
    until("all", &mut watcher, is_whole).await;
    if !env.inject(Fault::Down).await {
        return not_applicable("this registry can't be taken down");
    }
    until("stale", &mut watcher, |snapshot| snapshot.freshness().is_stale()).await;
    assert!(env.inject(Fault::UpWithoutData).await);
    let back = Instant::now();
    // Not the handles: one whose heartbeat is not due yet knows nothing of the loss. Nor the watcher: it holds.
    let fresh = env.connect(&ConnectOptions::default()).subscribe(&service);
    let mut peak: f64 = 0.0;
    // A new process counts from zero.
    let mut before = (back, 0.0);
    while !is_whole(&fresh.snapshot()) {
        tokio::time::sleep(WINDOW).await;
        if let Some(requests) = env.requests().await {
            let now = (Instant::now(), requests);
            peak = peak.max((now.1 - before.1) / (now.0 - before.0).as_secs_f64());
            before = now;
        }
        assert!(back.elapsed() < PATIENCE, "not all are back: {:?}", fresh.snapshot());
    }
    let all = before.1;
    println!("{herd} were back after {:?}: {all:.0} requests, at most {peak:.0} a second", back.elapsed());
    // Spread over a second. All at once, they would fit into one window: a rate of five times as many.
    assert!(all == 0.0 || peak < 2.5 * all.max(500.0), "{all} requests, at most {peak} a second");
    until("all are back", &mut watcher, is_whole).await;
}
