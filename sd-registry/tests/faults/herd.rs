//! Many come back at once.

use std::time::Duration;

use sd_testkit::registry::CentreOptions;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{soon, until};
use sd_testkit::{ConnectOptions, Environment as _};
use tokio::time::Instant;

use crate::client::with_centre;

const REGISTRANTS: u16 = 200;
const WINDOW: Duration = Duration::from_millis(200);

/// 200 registrants with a connection each, and the centre restarts empty: all are back, and not all at the same time.
#[test]
fn two_hundred_registrants_come_back_without_felling_the_centre() {
    with_centre(CentreOptions::new(), async |env| {
        let (service, gateway) = (random_service(), env.server().gateway());
        let registering = (0..REGISTRANTS).map(|number| {
            let registry = env.connect(&ConnectOptions::default());
            let given = registration(&service, &format!("i{number:03}"), 1000 + number);
            tokio::spawn(async move { registry.register(given).await })
        });
        let mut handles = Vec::new();
        for registering in registering.collect::<Vec<_>>() {
            handles.push(soon("register", registering).await.unwrap().unwrap());
        }
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
        until("all", &mut watcher, |snapshot| snapshot.len() == usize::from(REGISTRANTS)).await;
        env.server().kill();
        until("stale", &mut watcher, |snapshot| snapshot.freshness().is_stale()).await;
        env.server().restart_empty().await;
        let back = Instant::now();
        let mut peak: f64 = 0.0;
        // A new process counts from zero.
        let mut before = (back, 0.0);
        loop {
            tokio::time::sleep(WINDOW).await;
            let requests = gateway.metric("sd_registry_requests_total{status=\"2xx\"}").await;
            let now = (Instant::now(), requests);
            peak = peak.max((now.1 - before.1) / (now.0 - before.0).as_secs_f64());
            before = now;
            // Not the handles: one whose heartbeat is not due yet knows nothing of the loss.
            if gateway.ids(&service).await.len() == usize::from(REGISTRANTS) {
                break;
            }
            assert!(back.elapsed() < sd_testkit::PATIENCE, "not all are back");
        }
        let fresh = env.connect(&ConnectOptions::default());
        for mut watcher in [watcher, fresh.subscribe(&service)] {
            until("all are back", &mut watcher, |snapshot| {
                snapshot.freshness().is_live()
                    && *snapshot.basis() == sd_core::Basis::Registry
                    && snapshot.len() == usize::from(REGISTRANTS)
            })
            .await;
        }
        println!("{REGISTRANTS} registrants were back after {:?}; at most {peak:.0} requests/s", back.elapsed());
        // A greeting, an entry and a heartbeat each, and some for reading: without spread it would be thousands.
        assert!(peak < 10.0 * f64::from(REGISTRANTS), "{peak} requests/s");
    });
}
