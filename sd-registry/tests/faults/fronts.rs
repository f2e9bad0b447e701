//! Fronts of another registry, seen by a client: what is behind goes away, or the front does.

use std::time::Duration;

use sd_core::{Basis, Instancer as _, Probe as _, Registrar as _};
use sd_registry::RegistryConfig;
use sd_testkit::registry::{CentreOptions, CentreServer};
use sd_testkit::run;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{soon, stays, until, until_ids};

async fn front_of(behind: &CentreServer) -> CentreServer {
    CentreServer::start(CentreOptions::new().store(format!("sd://{}", behind.address()))).await
}

/// "Empty, unknown and failed are three different states", through a front too.
#[test]
fn a_front_that_lost_its_registry_says_so_and_nobody_takes_that_for_empty() {
    run(async {
        let behind = CentreServer::start(CentreOptions::new()).await;
        let front = front_of(&behind).await;
        let registry = RegistryConfig::new([front.address().to_string()]).connect().unwrap();
        let (service, unread) = (random_service(), random_service());
        let mut handle = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        let mut view = registry.subscribe(&service);
        until_ids("it", &mut view, &["a"]).await;
        behind.kill();
        let stale = until("stale", &mut view, |snapshot| snapshot.freshness().is_stale()).await;
        assert!(stale.get("a").is_some() && *stale.basis() == Basis::LastKnownGood, "{stale:?}");
        let mut unknown = registry.subscribe(&unread);
        let unknown_yet = until("an error", &mut unknown, |snapshot| snapshot.freshness().error().is_some()).await;
        assert!(unknown_yet.freshness().is_pending(), "{unknown_yet:?}");
        assert!(registry.probe().await.is_ok(), "the front itself is well");
        behind.restart().await;
        until_ids("it again", &mut view, &["a"]).await;
        until_ids("known, and empty", &mut unknown, &[]).await;
        soon("registered", handle.accepted()).await.unwrap();
    });
}

/// The front that was used dies; a registration goes on at the other one, and nobody ever sees it gone.
#[test]
fn fronts_stand_in_for_each_other_and_no_entry_is_missed() {
    run(async {
        let behind = CentreServer::start(CentreOptions::new()).await;
        let fronts = [front_of(&behind).await, front_of(&behind).await];
        let hosts = fronts.iter().map(|front| front.address().to_string());
        let registry = RegistryConfig::new(hosts).ttl(Duration::from_secs(3)).connect().unwrap();
        let service = random_service();
        let mut handle = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        let mut view = registry.subscribe(&service);
        until_ids("it", &mut view, &["a"]).await;
        let beside = RegistryConfig::new([behind.address().to_string()]).connect().unwrap();
        let mut truth = beside.subscribe(&service);
        until_ids("the truth", &mut truth, &["a"]).await;
        let never_gone = tokio::spawn(async move {
            stays("it is there", Duration::from_secs(20), &mut truth, |snapshot| snapshot.get("a").is_some()).await;
        });
        let endpoint = registry.probe().await.unwrap().endpoint;
        let used = fronts.iter().find(|front| front.address().to_string() == endpoint).unwrap();
        used.kill();
        until("the other one", &mut view, |snapshot| snapshot.freshness().is_stale()).await;
        until_ids("it, at the other one", &mut view, &["a"]).await;
        soon("registered", handle.accepted()).await.unwrap();
        // Longer than the lease that the dead front had there.
        never_gone.await.unwrap();
        assert!(handle.state().is_registered(), "{handle:?}");
    });
}
