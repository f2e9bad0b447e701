//! From a registration to an entry that everybody sees.

use std::time::Duration;

use sd_core::{Health, Registration, RegistrationState};

use crate::environment::{ConnectOptions, Environment};
use crate::mount::not_applicable;
use crate::samples::{instance, random_service, registration};
use crate::waiting::{soon, stays, until_ids, until_state};

/// "`register` resolves when the registry has accepted the instance": who reads then finds it.
pub async fn register_resolves_when_the_registry_has_accepted(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    for port in 1000..1005 {
        let service = random_service();
        let handle = soon("register", registry.register(registration(&service, "a", port))).await.unwrap();
        assert!(handle.state().is_registered(), "{handle:?}");
        assert_eq!((handle.service(), handle.id()), (&service, "a"));
        // The first thing that is known must already hold it.
        let known = soon("known", other.subscribe(&service).known()).await;
        assert!(known.get("a").is_some(), "accepted, and not there: {known:?}");
    }
}

/// Weight, health, zone, tags, metadata and ports are read as they were given.
pub async fn everything_an_instance_says_survives(env: &dyn Environment) {
    if !env.capabilities().details {
        return not_applicable("this registry carries nothing but addresses");
    }
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let given = instance("full", 1000)
        .with_weight(65_535)
        .with_health(Health::Down)
        .with_zone("eu west/1")
        .with_tag("v1")
        .with_tag("ж=\"quoted\"")
        .with_metadata("commit", "4f3a\nsecond line")
        .with_metadata("empty", "")
        .with_port("metrics", 9100);
    let bare = instance("zero", 1001).with_weight(0);
    let addresses = ["[::1]:50052", "book.example:80", "http://h:81/a/b?c=d"];
    let _full = soon("register", registry.register(Registration::new(service.as_str(), given.clone()))).await.unwrap();
    let _bare = soon("register", registry.register(Registration::new(service.as_str(), bare.clone()))).await.unwrap();
    let mut handles = Vec::new();
    let mut ids = vec!["full", "zero"];
    for address in addresses {
        let instance = sd_core::Instance::new(address.parse::<sd_core::Address>().unwrap());
        ids.push(address.split("://").last().unwrap());
        let named = instance.with_id(address.split("://").last().unwrap().replace('/', ":"));
        handles.push(soon("register", registry.register(Registration::new(service.as_str(), named))).await.unwrap());
    }
    let ids: Vec<_> = ids.iter().map(|id| id.replace('/', ":")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut subscription = other.subscribe(&service);
    let seen = until_ids("all", &mut subscription, &ids).await;
    assert_eq!(**seen.get("full").unwrap(), given);
    assert_eq!(**seen.get("zero").unwrap(), bare);
    let mut read: Vec<_> = seen.iter().map(|instance| instance.address().to_string()).collect();
    read.retain(|address| !address.starts_with("127.0.0.1"));
    read.sort();
    assert_eq!(read, addresses);
}

/// Blanks, percent signs, fragments, questions, letters of any script: an id is never read as anything else.
pub async fn ids_are_kept_to_the_letter(env: &dyn Environment) {
    let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
    let service = random_service();
    let long = "x".repeat(256);
    let odd = [
        "a b",
        "50%",
        "%2F",
        "%20",
        "a#b",
        "a?b=c",
        "знать",
        "日本",
        "a+b",
        "..",
        ".",
        "a\\b",
        "\"q\"",
        "'",
        "{id}",
        "a:b",
        "[::1]:80",
        "*",
        "a&b",
        "~",
        " ",
        long.as_str(),
    ];
    let mut handles = Vec::new();
    for (port, id) in (1000..).zip(odd) {
        let handle = soon("register", registry.register(registration(&service, id, port))).await;
        handles.push(handle.unwrap_or_else(|error| panic!("{id:?}: {error}")));
    }
    let mut subscription = other.subscribe(&service);
    until_ids("every id", &mut subscription, &odd).await;
    if env.capabilities().details {
        for id in odd {
            soon("drain", other.drain(&service, id)).await.unwrap_or_else(|error| panic!("drain {id:?}: {error}"));
        }
    }
    for handle in handles {
        let id = handle.id().to_owned();
        soon("deregister", handle.deregister()).await.unwrap_or_else(|error| panic!("{id:?}: {error}"));
    }
    until_ids("none", &mut subscription, &[]).await;
}

/// A hundred registrations through one connection at the same time.
pub async fn many_register_at_once(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let ids: Vec<_> = (0..100).map(|number| format!("{number:03}")).collect();
    let tasks = (1000..).zip(ids.clone()).map(|(port, id)| {
        let (registry, registration) = (std::sync::Arc::clone(&registry), registration(&service, &id, port));
        tokio::spawn(async move { registry.register(registration).await })
    });
    let mut handles = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        handles.push(soon("register", task).await.unwrap().unwrap());
    }
    let mut subscription = registry.subscribe(&service);
    until_ids("all", &mut subscription, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ends = handles.into_iter().map(|handle| tokio::spawn(handle.deregister())).collect::<Vec<_>>();
    for end in ends {
        soon("deregister", end).await.unwrap().unwrap();
    }
    until_ids("none", &mut subscription, &[]).await;
}

/// "A second form returns at once in `Retrying`."
pub async fn register_in_background_returns_at_once(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut handle = registry.register_in_background(registration(&service, "a", 1000)).unwrap();
    soon("accepted", handle.accepted()).await.unwrap();
    assert!(handle.state().is_registered(), "{handle:?}");
    let mut subscription = registry.subscribe(&service);
    until_ids("there", &mut subscription, &["a"]).await;
    // Outside a runtime too, since the connection knows one.
    let (elsewhere, again) = (std::sync::Arc::clone(&registry), registration(&service, "b", 1001));
    let thread = std::thread::spawn(move || elsewhere.register_in_background(again));
    let _b = thread.join().expect("it panicked outside a runtime").unwrap();
    until_ids("both", &mut subscription, &["a", "b"]).await;
}

/// "Dropping the `register` future leaves nothing behind", at whatever point it is dropped.
pub async fn dropping_the_register_future_leaves_nothing(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let service = random_service();
    let mut subscription = registry.subscribe(&service);
    soon("known", subscription.known()).await;
    for step in 0..40_u16 {
        let attempt = registry.register(registration(&service, &format!("{step}"), 1000 + step));
        // From before the first write to after the answer.
        drop(tokio::time::timeout(Duration::from_micros(u64::from(step) * 100), attempt).await);
    }
    until_ids("nothing", &mut subscription, &[]).await;
    let time = env.capabilities().watchful_time();
    // What lands late is taken back; it must not stay.
    tokio::time::sleep(time).await;
    until_ids("nothing", &mut subscription, &[]).await;
    stays("nothing comes back", time, &mut subscription, sd_core::Snapshot::is_empty).await;
}

/// `Retrying`, `Registered` with the granted TTL, and `Deregistered` for who still holds the handle's state.
pub async fn registration_states_follow_a_whole_life(env: &dyn Environment) {
    let registry = env.connect(&ConnectOptions::default());
    let mut handle = registry.register_in_background(registration(&random_service(), "a", 1000)).unwrap();
    let state = until_state("accepted", &mut handle, RegistrationState::is_registered).await;
    let RegistrationState::Registered { ttl, warning } = state else { panic!("{state:?}") };
    assert_eq!(ttl.is_some(), env.capabilities().ttl.is_some(), "the granted TTL");
    assert!(warning.is_none(), "{warning:?}");
    soon("deregister", handle.deregister()).await.unwrap();
}
