//! Registrations: whose node it is, what stands in the way, how large and how many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::time::Duration;

use sd_core::{Address, ErrorKind, Instance, Registration, RegistrationState, ServiceName};
use sd_testkit::proxy::Mode;
use sd_testkit::samples::{instance, random_service, registration};
use sd_testkit::waiting::{eventually, soon, stays, until, until_catalog, until_ids, until_state};
use sd_testkit::zookeeper::ZooKeeperEnvironment;
use sd_testkit::{ConnectOptions, Environment as _, leaving_nothing, run};
use support::{connect, environment, with_zookeeper};
use tokio::time::Instant;

fn at(address: &str, id: &str) -> Registration {
    Registration::new("book", Instance::new(address.parse::<Address>().unwrap()).with_id(id))
}

fn book() -> ServiceName {
    "book".parse().unwrap()
}

/// A node of the same service, so that what is above it stands.
async fn with_book(env: &ZooKeeperEnvironment) -> String {
    let path = format!("{}/book", env.root());
    env.server().operator().plant(&path, b"").await;
    path
}

/// What another program registered at the same address is a predecessor's: its session has not ended yet.
#[test]
fn a_predecessors_node_at_the_same_address_is_taken_over_whoever_wrote_it() {
    with_zookeeper("a_predecessors_node_at_the_same_address", async |env| {
        let (path, operator) = (with_book(env).await, env.server().operator());
        let mut sessions = Vec::new();
        for (id, value) in [("a", "h:1"), ("b", r#"{"id":"b","name":"book","address":"h","port":2}"#)] {
            let path = format!("{path}/{id}");
            sessions.push(operator.plant_ephemeral(&path, value.as_bytes(), Duration::from_secs(5)).await);
        }
        let registry = env.connect(&ConnectOptions::default());
        let _a = soon("register", registry.register(at("h:1", "a"))).await.unwrap();
        let _b = soon("register", registry.register(at("h:2", "b"))).await.unwrap();
        // The end of their sessions takes nothing.
        let mut watcher = registry.subscribe(&book());
        until_ids("both", &mut watcher, &["a", "b"]).await;
        drop(sessions);
        stays("both stay", Duration::from_secs(7), &mut watcher, |snapshot| snapshot.len() == 2).await;
    });
}

/// Another program's node at another address is waited for while its session may be a dead one, and accepted when it was.
#[test]
fn a_strangers_node_is_waited_for_until_its_session_ends() {
    with_zookeeper("a_strangers_node_is_waited_for", async |env| {
        let (path, operator) = (with_book(env).await, env.server().operator());
        let dead = operator.plant_ephemeral(&format!("{path}/a"), b"h:9", Duration::from_secs(2)).await;
        drop(dead);
        let registry = env.connect(&ConnectOptions::default());
        let mut handle = registry.register_in_background(at("h:1", "a")).unwrap();
        let conflicting = |state: &RegistrationState| {
            matches!(state, RegistrationState::Retrying { error: Some(error), .. }
                if error.kind() == ErrorKind::Conflict && error.is_retryable() && error.to_string().contains("h:9"))
        };
        until_state("a conflict", &mut handle, conflicting).await;
        soon("accepted", handle.accepted()).await.unwrap();
    });
}

/// One that outlives a session is alive, or nobody's: then it is a refusal that says who stands there.
#[test]
fn a_strangers_node_that_outlives_a_session_is_a_refusal() {
    with_zookeeper("a_strangers_node_that_outlives_a_session", async |env| {
        let (path, operator) = (with_book(env).await, env.server().operator());
        operator.plant(&format!("{path}/a"), b"h:9").await;
        operator.plant(&format!("{path}/b"), b"{").await;
        let registry = env.connect(&ConnectOptions::default());
        let started = Instant::now();
        let (a, b) = tokio::join!(registry.register(at("h:1", "a")), registry.register(at("h:1", "b")));
        let (a, b) = (a.unwrap_err(), b.unwrap_err());
        assert!(started.elapsed() >= env.capabilities().ttl.unwrap(), "after {:?}", started.elapsed());
        assert_eq!((a.kind(), a.is_retryable(), b.kind()), (ErrorKind::Conflict, false, ErrorKind::Conflict));
        assert!(a.to_string().contains("/book/a") && a.to_string().contains("h:9"), "{a}");
        assert!(b.to_string().contains("unreadable"), "{b}");
        assert_eq!(operator.get(&format!("{path}/a")).await.unwrap().unwrap().data, b"h:9");
        // Only reading it was bad luck: an id that nobody has is free.
        let _c = soon("register", registry.register(at("h:1", "c"))).await.unwrap();
    });
}

/// go-kit's Deregister deletes the node above the instance, which fails while it has children, and so always.
#[test]
fn go_kit_deregister_deletes_its_own_node_and_not_the_parent() {
    with_zookeeper("go_kit_deregister_deletes_its_own_node", async |env| {
        let operator = env.server().operator();
        let registry = env.connect(&ConnectOptions::default());
        let first = soon("register", registry.register(at("h:1", "a"))).await.unwrap();
        let second = soon("register", registry.register(at("h:2", "b"))).await.unwrap();
        let path = format!("{}/book", env.root());
        soon("deregister", first.deregister()).await.unwrap();
        assert_eq!(operator.children(&path).await, ["b"]);
        soon("deregister", second.deregister()).await.unwrap();
        assert!(operator.children(&path).await.is_empty());
        assert_eq!(operator.get(&path).await.unwrap().unwrap().owner, 0, "the service's node stays");
        assert!(soon("services", registry.services()).await.unwrap().is_empty(), "and is not listed");
        let _again = soon("register", registry.register(at("h:1", "a"))).await.unwrap();
    });
}

/// The node above is deleted, and with it everything: all is created again.
#[test]
fn a_chroot_that_is_missing_is_created_and_created_again() {
    with_zookeeper("a_chroot_that_is_missing_is_created", async |env| {
        let url = format!("zookeeper://{}{}/a/b/c%20d?session=4s", env.proxy().address(), env.root());
        let registry = connect(&url, &ConnectOptions::default());
        let mut watcher = registry.subscribe(&book());
        until_ids("not there yet", &mut watcher, &[]).await;
        let mut handle = soon("register", registry.register(at("h:1", "a"))).await.unwrap();
        until_ids("there", &mut watcher, &["a"]).await;
        let operator = env.server().operator();
        let above = format!("{}/a/b", env.root());
        // Held, or the owner might be quicker with creating it again than we are with deleting it all.
        env.proxy().set(Mode::Hold).await;
        for path in ["/c d/book/a", "/c d/book", "/c d", ""] {
            operator.delete(&format!("{above}{path}")).await.unwrap();
        }
        env.proxy().set(Mode::Pass).await;
        let back = format!("{above}/c d/book/a");
        eventually("created again", async || operator.get(&back).await.unwrap().is_some()).await;
        until_ids("back", &mut watcher, &["a"]).await;
        soon("accepted", handle.accepted()).await.unwrap();
    });
}

/// A value as large as core allows is written and read, as is a list of such; a larger one is refused before it is sent.
#[test]
fn values_of_a_megabyte_are_written_and_read_and_larger_ones_refused() {
    with_zookeeper("values_of_a_megabyte", async |env| {
        let registry = env.connect(&ConnectOptions::default());
        let large = |id: &str, bytes: usize| {
            Registration::new("book", instance(id, 1000).with_metadata("blob", "x".repeat(bytes)))
        };
        let long = "y".repeat(200);
        let mut handles = Vec::new();
        for number in 0..6 {
            let given = large(&format!("{long}{number}"), 999_000);
            handles.push(soon("register", registry.register(given)).await.unwrap());
        }
        // In the way of one another, so that the request that exchanges two is as large as any.
        let other = env.connect(&ConnectOptions::default());
        handles.push(soon("register", other.register(large(&format!("{long}0"), 999_001))).await.unwrap());
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&book());
        let seen = until("all", &mut watcher, |snapshot| snapshot.len() == 6).await;
        assert!(seen.iter().all(|instance| instance.metadata()["blob"].len() >= 999_000));
        let error = soon("register", registry.register(large("z", 1_000_001))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("1000000"), "{error}");
        assert!(handles[1].state().is_registered(), "nothing was broken by it");
    });
}

/// A thousand registrations are one connection and one session, and nothing but pings keeps them.
#[test]
fn a_thousand_registrations_share_one_session_and_cost_nothing_when_idle() {
    with_zookeeper("a_thousand_registrations_share_one_session", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let started = Instant::now();
        let registering = (0..1000_u16).map(|number| {
            let (registry, given) = (registry.clone(), registration(&service, &format!("{number:04}"), 1 + number));
            tokio::spawn(async move { registry.register(given).await })
        });
        let mut handles = Vec::new();
        for registering in registering.collect::<Vec<_>>() {
            handles.push(soon("register", registering).await.unwrap().unwrap());
        }
        println!("1,000 registrations took {:?}", started.elapsed());
        assert_eq!(env.proxy().open(), 1);
        // Each node is watched a moment after it is accepted.
        let operator = env.server().operator();
        eventually("watched", async || operator.metric("zk_watch_count").await >= 1000.0).await;
        let before = env.proxy().bytes();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let after = env.proxy().bytes();
        let (sent, received) = (after.0 - before.0, after.1 - before.1);
        println!("idle for 6 s: {sent} bytes sent, {received} received");
        // A ping is 12 bytes, and its answer 20; there is one every 0.6 s.
        assert!(sent < 300 && received < 500, "{sent} {received}");
        // And all of them are back after a wipe.
        env.server().restart_empty().await;
        for handle in &mut handles {
            soon("accepted", handle.accepted()).await.unwrap();
        }
        let path = format!("{}/{service}", env.root());
        eventually("all are back", async || operator.children(&path).await.len() == 1000).await;
    });
}

/// What ZooKeeper refuses in names stands encoded, and everything can be done with it.
#[test]
fn ids_that_zookeeper_refuses_are_encoded() {
    with_zookeeper("ids_that_zookeeper_refuses_are_encoded", async |env| {
        let (registry, operator) = (env.connect(&ConnectOptions::default()), env.server().operator());
        let mut ids =
            [".", "..", "50%", "%2E", "\u{e000}", "\u{f8ff}", "\u{fff0}", "\u{fffd}", "\u{1f600}", "a\u{10ffff}"];
        let mut handles = Vec::new();
        for (port, id) in (1..).zip(ids) {
            handles.push(soon("register", registry.register(at(&format!("h:{port}"), id))).await.unwrap());
        }
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&book());
        ids.sort_unstable();
        until_ids("all", &mut watcher, &ids).await;
        let names = operator.children(&format!("{}/book", env.root())).await;
        assert!(names.contains(&"%F0%9F%98%80".to_owned()) && names.contains(&"%252E".to_owned()), "{names:?}");
        for handle in handles {
            soon("drain", registry.drain(&book(), handle.id())).await.unwrap();
            soon("deregister", handle.deregister()).await.unwrap();
        }
        until_ids("none", &mut watcher, &[]).await;
    });
}

/// The server grants what its ticks allow, and the registration's state tells it.
#[test]
fn the_session_that_was_granted_is_told() {
    with_zookeeper("the_session_that_was_granted_is_told", async |env| {
        for (asked, granted) in [("3s", 3), ("1h", 10)] {
            let url = format!("zk://{}{}?session={asked}", env.proxy().address(), env.root());
            let registry = connect(&url.replace("zk://", "zookeeper://"), &ConnectOptions::default());
            let handle = soon("register", registry.register(at("h:1", asked))).await.unwrap();
            let RegistrationState::Registered { ttl, .. } = handle.state() else { panic!("{handle:?}") };
            assert_eq!(ttl, Some(Duration::from_secs(granted)));
        }
    });
}

#[test]
fn a_service_of_zookeepers_own_name_is_refused_at_the_very_root_alone() {
    run(async {
        let Some(env) = environment("a_service_of_zookeepers_own_name").await else { return };
        leaving_nothing(&env, async {
            let root =
                connect(&format!("zookeeper://{}/?session=4s", env.proxy().address()), &ConnectOptions::default());
            let own = Registration::new("zookeeper", instance("a", 1));
            let error = soon("register", root.register(own.clone())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            // ZooKeeper's own nodes are no services.
            assert!(soon("services", root.services()).await.unwrap().is_empty());
            let (mut names, mut watcher) = (root.subscribe_services(), root.subscribe(&book()));
            until_catalog("none", &mut names, |s| s.freshness().is_live() && s.names().is_empty()).await;
            let _book = soon("register", root.register(at("h:1", "a"))).await.unwrap();
            assert_eq!(env.server().operator().children("/book").await, ["a"]);
            until_catalog("listed", &mut names, |s| s.names().iter().eq([&book()])).await;
            until_ids("there", &mut watcher, &["a"]).await;
            let _below = soon("register", env.connect(&ConnectOptions::default()).register(own)).await.unwrap();
        })
        .await;
    });
}

/// Plain registrants of one id: the newest wins, as with json; what a session of ours has left is known to be ours.
#[test]
fn plain_registrants_of_one_id_supersede_one_another() {
    run(async {
        let Some(env) = environment("plain_registrants_of_one_id").await else { return };
        let env = env.with_options("codec=plain");
        leaving_nothing(&env, async {
            let (old, new) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
            let mut first = soon("register", old.register(at("h:1", "a"))).await.unwrap();
            let mut second = soon("register", new.register(at("h:2", "a"))).await.unwrap();
            until_state("superseded", &mut first, RegistrationState::is_superseded).await;
            soon("deregister", first.deregister()).await.unwrap();
            // Twice through one connection, too.
            let third = soon("register", new.register(at("h:3", "a"))).await.unwrap();
            until_state("superseded", &mut second, RegistrationState::is_superseded).await;
            drop(second);
            let mut watcher = old.subscribe(&book());
            until_ids("the newest", &mut watcher, &["h:3"]).await;
            env.server().restart_empty().await;
            until("back", &mut watcher, |snapshot| snapshot.freshness().is_live() && snapshot.len() == 1).await;
            eventually("held", async || third.state().is_registered()).await;
            soon("deregister", third.deregister()).await.unwrap();
            until_ids("none", &mut watcher, &[]).await;
        })
        .await;
    });
}
