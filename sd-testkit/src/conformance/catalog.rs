//! Which services there are.

use crate::environment::{ConnectOptions, Environment, Fault};
use crate::mount::not_applicable;
use crate::samples::{random_service, registration};
use crate::waiting::{soon, until_catalog, until_ids};

/// "A service is listed while it has an instance."
pub async fn a_service_is_listed_while_it_has_an_instance(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    assert!(soon("services", other.services()).await.unwrap().is_empty(), "an environment begins empty");
    let (one, two) = (random_service(), random_service());
    let first = soon("register", registry.register(registration(&one, "a", 1000))).await.unwrap();
    let second = soon("register", registry.register(registration(&one, "b", 1001))).await.unwrap();
    let _third = soon("register", registry.register(registration(&two, "a", 1002))).await.unwrap();
    assert_eq!(soon("services", other.services()).await.unwrap(), [one.clone(), two.clone()].into());
    soon("deregister", first.deregister()).await.unwrap();
    assert_eq!(soon("services", other.services()).await.unwrap(), [one, two.clone()].into());
    soon("deregister", second.deregister()).await.unwrap();
    assert_eq!(soon("services", other.services()).await.unwrap(), [two].into());
}

/// A watch of the names, shared by all who ask.
pub async fn the_list_of_services_is_watched(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let mut names = other.subscribe_services();
    until_catalog("empty and live", &mut names, |s| s.freshness().is_live() && s.names().is_empty()).await;
    let mut again = other.subscribe_services();
    let service = random_service();
    let first = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let second = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
    for reader in [&mut names, &mut again] {
        until_catalog("listed", reader, |s| s.names().iter().eq([&service])).await;
    }
    soon("deregister", first.deregister()).await.unwrap();
    drop(second);
    until_catalog("gone", &mut names, |s| s.freshness().is_live() && s.names().is_empty()).await;
}

/// "`subscribe_services` answers at once", and outside a runtime.
pub async fn subscribing_to_the_catalog_works_outside_a_runtime(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let thread = std::thread::spawn(move || registry.subscribe_services());
    let mut names = thread.join().expect("subscribing outside a runtime panicked");
    until_catalog("listed", &mut names, |s| s.names().contains(&service)).await;
}

/// "The last known names stay through an outage, marked stale."
pub async fn the_catalog_keeps_its_names_through_an_outage(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let (service, later) = (random_service(), random_service());
    let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
    let mut names = registry.subscribe_services();
    until_catalog("listed", &mut names, |s| s.names().contains(&service)).await;
    if !env.inject(Fault::Down).await {
        return not_applicable("this registry can't be taken down");
    }
    let stale = until_catalog("stale", &mut names, |s| s.freshness().is_stale()).await;
    assert!(stale.names().contains(&service) && stale.freshness().error().is_some(), "{stale:?}");
    let late = registry.subscribe_services().snapshot();
    assert!(late.freshness().is_stale() && late.names().contains(&service), "{late:?}");
    assert!(env.inject(Fault::Up).await);
    let _late = soon("register", registry.register(registration(&later, "a", 1001))).await.unwrap();
    until_catalog("live, with what is new", &mut names, |s| s.freshness().is_live() && s.names().contains(&later))
        .await;
    until_ids("all is well", &mut registry.subscribe(&service), &["a"]).await;
}

/// Unknown is not empty, for names too.
pub async fn a_catalog_that_was_never_read_says_what_is_in_the_way(env: &dyn Environment) {
    if !env.inject(Fault::Down).await {
        return not_applicable("this registry can't be taken down");
    }
    let registry = env.connect(&ConnectOptions::default());
    let mut names = registry.subscribe_services();
    let failing = until_catalog("an error", &mut names, |s| s.freshness().error().is_some()).await;
    assert!(failing.freshness().is_pending() && failing.names().is_empty(), "{failing:?}");
    assert!(env.inject(Fault::Up).await);
    until_catalog("live and empty", &mut names, |s| s.freshness().is_live() && s.names().is_empty()).await;
}
