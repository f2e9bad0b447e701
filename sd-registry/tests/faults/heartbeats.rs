//! One heartbeat for everything that a connection has registered, and what it does not have to be waited for.

use std::time::Duration;

use sd_core::{RegistrationState, ServiceName};
use sd_testkit::ConnectOptions;
use sd_testkit::registry::{CentreGateway, CentreOptions};
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{eventually, soon, stays, until, until_ids, until_state};
use tokio::time::Instant;

use crate::client::{connect, with_centre};

/// Much longer than any of these tests may take until they notice: a heartbeat comes after 18 s at the earliest.
const LONG_TTL: &str = "ttl=60s";
/// What is noticed before that was not noticed by a heartbeat.
const SOONER: Duration = Duration::from_secs(12);

/// The number of requests that the centre has answered well, each of these questions included.
async fn requests(gateway: &CentreGateway) -> f64 {
    gateway.metric("sd_registry_requests_total{status=\"2xx\"}").await
}

async fn renewals(gateway: &CentreGateway) -> f64 {
    gateway.metric("sd_registry_renewals_total").await
}

#[test]
fn one_request_renews_everything_that_a_connection_has_registered() {
    const REGISTERED: u16 = 500;
    with_centre(CentreOptions::new(), async |env| {
        let gateway = env.server().gateway();
        let registry = connect(&format!("sd://{}?ttl=3s", env.proxy().address()), &ConnectOptions::default());
        let services: Vec<_> = (0..5).map(|_| random_service()).collect();
        let mut handles = Vec::new();
        for n in 0..REGISTERED {
            let service = &services[usize::from(n) % services.len()];
            let given = registration(service, &format!("i{n}"), 1000 + n);
            handles.push(soon("register", registry.register(given)).await.unwrap());
        }
        let (requests_before, renewals_before) = (requests(&gateway).await, renewals(&gateway).await);
        let mut asked = 1.0;
        let wanted = renewals_before + 4.0 * f64::from(REGISTERED);
        let mut renewed = renewals_before;
        eventually("four beats", async || {
            asked += 1.0;
            renewed = renewals(&gateway).await;
            renewed >= wanted
        })
        .await;
        let beats = requests(&gateway).await - requests_before - asked;
        let batches = (renewed - renewals_before) / f64::from(REGISTERED);
        assert!(beats <= batches + 1.0, "{beats} requests for {batches} rounds of {REGISTERED} renewals");
        assert!(handles.iter().all(|handle| handle.state().is_registered()));
    });
}

/// Another process takes the id; this one watches the service, as a program does that calls its own kind.
#[test]
fn a_watched_service_tells_of_a_newer_registrant_before_the_next_heartbeat() {
    with_centre(CentreOptions::new(), async |env| {
        let registry = connect(&format!("sd://{}?{LONG_TTL}", env.proxy().address()), &ConnectOptions::default());
        let service = random_service();
        let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        until_ids("it", &mut registry.subscribe(&service), &["a"]).await;
        let taken = Instant::now();
        env.server().gateway().register(&service, "a", 2000, "somebody-else").await;
        until_state("superseded", &mut handle, RegistrationState::is_superseded).await;
        assert!(taken.elapsed() < SOONER, "after {:?}", taken.elapsed());
    });
}

#[test]
fn a_watched_service_tells_of_a_lost_entry_before_the_next_heartbeat() {
    with_centre(CentreOptions::new(), async |env| {
        let registry = connect(&format!("sd://{}?{LONG_TTL}", env.proxy().address()), &ConnectOptions::default());
        let service = random_service();
        let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        until_ids("it", &mut registry.subscribe(&service), &["a"]).await;
        let gateway = env.server().gateway();
        let lost = Instant::now();
        assert!(gateway.expire(&service, "a").await);
        is_back(&gateway, &service).await;
        assert!(lost.elapsed() < SOONER, "after {:?}", lost.elapsed());
    });
}

/// A registrant that watches nothing: what a restarted centre has forgotten is there again within seconds.
#[test]
fn a_broken_connection_is_asked_about_before_the_next_heartbeat() {
    with_centre(CentreOptions::new(), async |env| {
        let registry = connect(&format!("sd://{}?{LONG_TTL}", env.proxy().address()), &ConnectOptions::default());
        let service = random_service();
        let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        env.server().restart().await;
        let restarted = Instant::now();
        is_back(&env.server().gateway(), &service).await;
        assert!(restarted.elapsed() < SOONER, "after {:?}", restarted.elapsed());
        println!("registered again {:?} after the restart", restarted.elapsed());
    });
}

async fn is_back(gateway: &CentreGateway, service: &ServiceName) {
    eventually("it is back", async || gateway.ids(service).await == ["a"]).await;
}

/// A gateway's worth of registrations: many more than the streams of one connection, and, by their long ids, more than
/// one heartbeat's body.
#[test]
fn thousands_of_registrations_of_one_connection_stand() {
    const REGISTERED: usize = 3_000;
    with_centre(CentreOptions::new(), async |env| {
        let registry = connect(&format!("sd://{}?ttl=15s", env.proxy().address()), &ConnectOptions::default());
        let service = random_service();
        let mut view = registry.subscribe(&service);
        let begun = Instant::now();
        let mut handles: Vec<_> = (0..REGISTERED)
            .map(|n| {
                let given = registration(&service, &format!("i{n:0240}"), 1 + u16::try_from(n).unwrap());
                registry.register_in_background(given).unwrap()
            })
            .collect();
        let is_whole = |snapshot: &sd_core::Snapshot| snapshot.len() == REGISTERED && snapshot.freshness().is_live();
        until("all", &mut view, is_whole).await;
        println!("{REGISTERED} were registered and seen within {:?}", begun.elapsed());
        for handle in &mut handles {
            soon("accepted", handle.accepted()).await.unwrap();
        }
        stays("they stand", Duration::from_secs(20), &mut view, is_whole).await;
        assert_eq!(env.server().gateway().metric("sd_registry_expirations_total").await, 0.0);
    });
}
