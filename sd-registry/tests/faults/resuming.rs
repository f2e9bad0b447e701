//! A watch that breaks goes on where it stood, and what happened meanwhile is in it once.

use sd_testkit::registry::{CentreGateway, CentreOptions};
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{eventually, soon, until_ids};
use sd_testkit::{ConnectOptions, Environment as _};

use crate::client::with_centre;

async fn counters(gateway: &CentreGateway) -> (f64, f64) {
    (gateway.metric("sd_registry_snapshots_total").await, gateway.metric("sd_registry_resumed_total").await)
}

#[test]
fn a_watch_that_was_cut_off_reads_what_it_missed_and_not_the_whole() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, gateway) = (env.connect(&ConnectOptions::default()), env.server().gateway());
        let service = random_service();
        for n in 0..20 {
            gateway.register(&service, &format!("i{n:02}"), 1000 + n, "somebody").await;
        }
        let mut view = registry.subscribe(&service);
        let ids: Vec<_> = (0..20).map(|n| format!("i{n:02}")).collect();
        let mut wanted: Vec<_> = ids.iter().map(String::as_str).collect();
        until_ids("all", &mut view, &wanted).await;
        let (snapshots, resumed) = counters(&gateway).await;
        for round in 0..5 {
            env.proxy().cut();
            assert!(gateway.expire(&service, wanted.remove(0)).await);
            until_ids("what went meanwhile", &mut view, &wanted).await;
            let resumed = resumed + f64::from(round) + 1.0;
            eventually("it went on", async || counters(&gateway).await == (snapshots, resumed)).await;
        }
    });
}

/// Of an epoch that is over nothing can be resumed: the watch reads the whole, whatever revision the new one has.
#[test]
fn a_centre_that_began_anew_is_not_taken_for_the_old_one() {
    with_centre(CentreOptions::new(), async |env| {
        let (registry, gateway) = (env.connect(&ConnectOptions::default()), env.server().gateway());
        let (service, elsewhere) = (random_service(), random_service());
        let _kept = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        // This one nobody registers again.
        gateway.register(&service, "gone", 2, "somebody").await;
        let mut view = registry.subscribe(&service);
        until_ids("both", &mut view, &["a", "gone"]).await;
        env.proxy().set(sd_testkit::proxy::Mode::Refuse).await;
        env.proxy().cut();
        env.server().restart_empty().await;
        for n in 0..20 {
            gateway.register(&elsewhere, &format!("i{n}"), 1000 + n, "somebody").await;
        }
        env.proxy().set(sd_testkit::proxy::Mode::Pass).await;
        until_ids("the truth", &mut view, &["a"]).await;
    });
}

/// With `--data` the epoch is the data's: a restart in between is no reason to read the whole again.
#[test]
fn a_watch_goes_on_over_a_restart_with_data() {
    with_centre(CentreOptions::new().with_data(), async |env| {
        let (registry, gateway) = (env.connect(&ConnectOptions::default()), env.server().gateway());
        let service = random_service();
        gateway.register(&service, "a", 1, "somebody").await;
        gateway.register(&service, "b", 2, "somebody").await;
        let mut view = registry.subscribe(&service);
        until_ids("both", &mut view, &["a", "b"]).await;
        env.server().restart().await;
        until_ids("both", &mut view, &["a", "b"]).await;
        assert!(gateway.expire(&service, "a").await);
        until_ids("one", &mut view, &["b"]).await;
        // A new process counts from zero; what it can't resume it sends whole, which is right too, and only slower.
        let (snapshots, resumed) = counters(&gateway).await;
        assert!(snapshots + resumed >= 1.0);
        println!("after a restart with data: {snapshots} snapshots, {resumed} resumed");
    });
}
