//! Several hosts: dead, mute and strange ones are left, and taken again later.

use std::time::Duration;

use sd_core::{Connection, Instancer as _, Probe as _, Registrar as _, RegistrationState};
use sd_registry::RegistryConfig;
use sd_testkit::ports;
use sd_testkit::proxy::{Mode, TcpProxy};
use sd_testkit::registry::CentreOptions;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{eventually, soon, until, until_ids, until_state};

use crate::client::with_centre;

/// Of several hosts any may be tried first, so a test needs several connections to meet each.
const CONNECTIONS: usize = 6;

#[test]
fn dead_mute_and_unknown_hosts_are_left_for_one_that_lives() {
    with_centre(CentreOptions::new(), async |env| {
        // One that refuses, one whose connections nobody takes, one that is no name.
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = env.proxy().address().to_string();
        let hosts = [
            format!("127.0.0.1:{}", ports::free()),
            mute.local_addr().unwrap().to_string(),
            "no-such-host.invalid:7070".to_owned(),
            alive.clone(),
        ];
        let service = random_service();
        for n in 0..CONNECTIONS {
            let config = RegistryConfig::new(hosts.iter().cloned()).connect_timeout(Duration::from_millis(500));
            let registry = config.connect().unwrap();
            let given = registration(&service, &format!("i{n}"), 1000);
            let handle = soon("it registers", registry.register(given)).await.unwrap();
            let report = registry.probe().await.unwrap();
            assert_eq!(report.endpoint, alive);
            assert!(!report.version.is_empty(), "{report:?}");
            // Once found, the living one is used: nothing is ever slow again.
            for _ in 0..50 {
                assert!(registry.probe().await.unwrap().latency < Duration::from_millis(400));
            }
            handle.deregister().await.unwrap();
        }
    });
}

#[test]
fn a_host_that_falls_silent_is_left_before_the_registration_is_lost_and_taken_again_later() {
    with_centre(CentreOptions::new(), async |env| {
        let (address, gateway) = (env.server().address(), env.server().gateway());
        let (a, b) = (TcpProxy::start(address), TcpProxy::start(address));
        let registry: Connection = RegistryConfig::new([a.address().to_string(), b.address().to_string()])
            .ttl(Duration::from_secs(9))
            .connect_timeout(Duration::from_secs(1))
            .request_timeout(Duration::from_secs(2))
            .keep_alive(Duration::from_secs(2), Duration::from_secs(1))
            .connect()
            .unwrap();
        let service = random_service();
        let mut handle = soon("register", registry.register(registration(&service, "i", 1))).await.unwrap();
        let mut view = registry.subscribe(&service);
        until_ids("it", &mut view, &["i"]).await;
        let lost = registry.counters().registrations_lost;
        for _ in 0..2 {
            let endpoint = registry.probe().await.unwrap().endpoint;
            let (used, other) = if endpoint == a.address().to_string() { (&a, &b) } else { (&b, &a) };
            used.set(Mode::Hold).await;
            eventually(
                "the other is used",
                async || matches!(registry.probe().await, Ok(report) if report.endpoint == other.address().to_string()),
            )
            .await;
            gateway.register(&service, "x", 2, "somebody-else").await;
            until("the watch is there too", &mut view, |s| s.freshness().is_live() && s.len() == 2).await;
            assert!(gateway.expire(&service, "x").await);
            until("and follows", &mut view, |s| s.freshness().is_live() && s.len() == 1).await;
            // Longer than the TTL: the beats go the other way too.
            tokio::time::sleep(Duration::from_secs(10)).await;
            until_state("registered", &mut handle, RegistrationState::is_registered).await;
            assert_eq!(registry.counters().registrations_lost, lost);
            // In the next round this one is taken again.
            used.set(Mode::Pass).await;
        }
        drop((registry, handle, view));
        eventually("no connection is left", async || a.open() + b.open() == 0).await;
    });
}

/// More watches than one connection carries: there is a further one, and all of them follow.
#[test]
fn hundreds_of_watches_share_a_few_connections() {
    const WATCHED: usize = 150;
    with_centre(CentreOptions::new(), async |env| {
        let registry = RegistryConfig::new([env.proxy().address().to_string()]).connect().unwrap();
        let services: Vec<_> = (0..WATCHED).map(|_| random_service()).collect();
        let mut views: Vec<_> = services.iter().map(|service| registry.subscribe(service)).collect();
        for view in &mut views {
            until_ids("empty", view, &[]).await;
        }
        assert!((3..=6).contains(&env.proxy().open()), "{} connections", env.proxy().open());
        let mut handles = Vec::new();
        for (n, service) in services.iter().enumerate().step_by(10) {
            let given = registration(service, "a", 1000 + u16::try_from(n).unwrap());
            handles.push(soon("register", registry.register(given)).await.unwrap());
        }
        for view in views.iter_mut().step_by(10) {
            until_ids("there", view, &["a"]).await;
        }
    });
}
