//! Watches: what other programs write, large lists, failures while reading, and the very end of a session.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::time::Duration;

use sd_core::{ErrorKind, Freshness, Health, RegistrationState, ServiceName, Snapshot};
use sd_testkit::proxy::Mode;
use sd_testkit::samples::{instance, random_service, registration};
use sd_testkit::waiting::{eventually, soon, until, until_catalog, until_ids, until_state};
use sd_testkit::{ConnectOptions, Environment as _, leaving_nothing, run};
use support::{connect, environment, with_zookeeper};
use tokio::time::Instant;

fn book() -> ServiceName {
    "book".parse().unwrap()
}

/// go-kit's registrar writes the address alone, under a name with a number that ZooKeeper chose.
#[test]
fn what_go_kit_registers_is_found_and_what_is_ours_is_found_by_go_kit() {
    with_zookeeper("what_go_kit_registers_is_found", async |env| {
        let operator = env.server().operator();
        let path = format!("{}/book", env.root());
        let node = format!("{path}/_c_2b7fa1e8fb6f1ee0b40bcb45e4cbf5c1-0000000000");
        operator.plant(&node, b"127.0.0.1:8080").await;
        let registry = env.connect(&ConnectOptions::default());
        let mut watcher = registry.subscribe(&book());
        until_ids("go-kit's", &mut watcher, &["127.0.0.1:8080"]).await;
        // It lost its session and came back: for a while both nodes stand, and they are one instance.
        let again = format!("{path}/_c_9c3fa1e8fb6f1ee0b40bcb45e4cbf5c2-0000000001");
        operator.plant(&again, b"127.0.0.1:8080").await;
        operator.delete(&node).await.unwrap();
        operator.plant(&format!("{path}/other"), b"http://[::1]:81/api").await;
        until_ids("still", &mut watcher, &["127.0.0.1:8080", "[::1]:81:api"]).await;
        // A json entry beside them gets a warning that names the way out, and a plain one is the address alone.
        let json = soon("register", registry.register(registration(&book(), "ours", 1000))).await.unwrap();
        let RegistrationState::Registered { warning: Some(warning), .. } = json.state() else { panic!("{json:?}") };
        assert!(warning.contains("?codec=plain"), "{warning}");
        let plain = connect(&format!("{}&codec=plain", env.url()), &ConnectOptions::default());
        let given = registration(&book(), "127.0.0.1:2000", 2000);
        let handle = soon("register", plain.register(given)).await.unwrap();
        let RegistrationState::Registered { warning: None, .. } = handle.state() else { panic!("{handle:?}") };
        let written = operator.get(&format!("{path}/127.0.0.1:2000")).await.unwrap().unwrap();
        assert_eq!(written.data, b"127.0.0.1:2000");
        // Plain entries are administrated by their address, whatever they are named.
        let error = soon("drain", registry.drain(&book(), "127.0.0.1:8080")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        soon("deregister", registry.deregister(&book(), "127.0.0.1:8080")).await.unwrap();
        assert!(operator.get(&again).await.unwrap().is_none());
    });
}

/// Curator's service discovery: `{base}/{name}/{id}`, JSON.
#[test]
fn what_curator_registers_is_found() {
    with_zookeeper("what_curator_registers_is_found", async |env| {
        let operator = env.server().operator();
        let node = |enabled: bool| {
            format!(
                r#"{{"name":"book","id":"9d0b2a5e","address":"127.0.0.1","port":8080,"sslPort":8443,"payload":
                {{"@class":"com.example.Details","version":"1.2"}},"registrationTimeUTC":1732000000000,
                "serviceType":"DYNAMIC","uriSpec":null,"enabled":{enabled}}}"#
            )
        };
        let path = format!("{}/book/9d0b2a5e", env.root());
        operator.plant(&path, node(true).as_bytes()).await;
        let registry = env.connect(&ConnectOptions::default());
        let mut watcher = registry.subscribe(&book());
        let seen = until_ids("Curator's", &mut watcher, &["9d0b2a5e"]).await;
        let instance = seen.get("9d0b2a5e").unwrap();
        assert_eq!((instance.address().to_string().as_str(), instance.ports()["ssl"]), ("127.0.0.1:8080", 8443));
        assert_eq!(instance.metadata()["version"], "1.2");
        operator.set(&path, node(false).as_bytes()).await.unwrap();
        let down = |s: &Snapshot| s.get("9d0b2a5e").is_some_and(|i| i.health() == Health::Down);
        until("disabled", &mut watcher, down).await;
        let error = soon("drain", registry.drain(&book(), "9d0b2a5e")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(soon("services", registry.services()).await.unwrap().contains(&book()));
        soon("deregister", registry.deregister(&book(), "9d0b2a5e")).await.unwrap();
        until_ids("gone", &mut watcher, &[]).await;
    });
}

/// go-kit's instancer is dead for ever after one read that failed. Here each kind of failure is one more try.
#[test]
fn go_kit_zk_instancer_survives_failed_reads() {
    with_zookeeper("go_kit_zk_instancer_survives_failed_reads", async |env| {
        let service = random_service();
        let provider = connect(
            &format!("zookeeper://{}{}?session=4s", env.server().endpoint(), env.root()),
            &ConnectOptions::default(),
        );
        let registry = env.connect(&ConnectOptions::default());
        let mut watcher = registry.subscribe(&service);
        until_ids("empty", &mut watcher, &[]).await;
        for round in 0..6_u16 {
            // Refused, held and cut, each while there is something to be read.
            match round % 3 {
                0 => env.proxy().set(Mode::Refuse).await,
                1 => env.proxy().set(Mode::Hold).await,
                _ => {}
            }
            if round % 3 != 1 {
                env.proxy().cut();
            }
            let given = registration(&service, &format!("r{round}"), 1000 + round);
            let handle = soon("register", provider.register(given)).await.unwrap();
            until("stale", &mut watcher, |s| s.freshness().is_stale() || s.get(handle.id()).is_some()).await;
            env.proxy().set(Mode::Pass).await;
            until_ids("read again", &mut watcher, &[handle.id()]).await;
            soon("deregister", handle.deregister()).await.unwrap();
            until_ids("and followed", &mut watcher, &[]).await;
        }
    });
}

/// The watcher of the client panics when it is asked once more after the session's end. Sessions end here in every way
/// that one can, and the watches go on.
#[test]
fn a_watch_goes_on_after_each_end_of_a_session() {
    with_zookeeper("a_watch_goes_on_after_each_end_of_a_session", async |env| {
        let url = format!("zookeeper://{}{}?session=1s&audit=1s", env.proxy().address(), env.root());
        let registry = connect(&url, &ConnectOptions::default());
        let service = random_service();
        let (mut watcher, mut names) = (registry.subscribe(&service), registry.subscribe_services());
        let mut handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        for round in 0..3 {
            until_ids("known", &mut watcher, &["a"]).await;
            until_catalog("listed", &mut names, |s| s.freshness().is_live() && s.names().contains(&service)).await;
            match round {
                // Expired while nothing was heard, expired by the server, unknown to one that was wiped.
                0 => env.proxy().set(Mode::Hold).await,
                1 => env.server().pause(),
                _ => env.server().restart_empty().await,
            }
            until_state("lost", &mut handle, RegistrationState::is_retrying).await;
            if round < 2 {
                until("stale", &mut watcher, |s| matches!(s.freshness(), Freshness::Stale { .. })).await;
            }
            env.proxy().set(Mode::Pass).await;
            if round == 1 {
                env.server().resume();
            }
            soon("accepted", handle.accepted()).await.unwrap();
        }
        until_ids("known", &mut watcher, &["a"]).await;
    });
}

/// Read in requests of bounded size, within bounds of time and bytes; one change is one small read.
#[test]
fn ten_thousand_instances_are_listed_within_bounds() {
    run(async {
        let Some(env) = environment("ten_thousand_instances").await else { return };
        leaving_nothing(&env, async {
            let operator = env.server().operator();
            let path = format!("{}/book", env.root());
            operator.plant(&path, b"").await;
            let value = |number: u32| {
                let padding = "x".repeat(300);
                let port = 1 + number % 60_000;
                format!(r#"{{"v":1,"id":"{number:05}","address":"127.0.0.1:{port}","metadata":{{"p":"{padding}"}}}}"#)
            };
            let nodes = (0..10_000).map(|number| (format!("{path}/{number:05}"), value(number).into_bytes()));
            operator.plant_all(nodes).await;
            for options in ["", "&watches=oneshot"] {
                let registry = connect(&format!("{}{options}", env.url()), &ConnectOptions::default());
                let (before, started) = (env.proxy().bytes(), Instant::now());
                let mut watcher = registry.subscribe(&book());
                until("all", &mut watcher, |snapshot| snapshot.len() == 10_000).await;
                let bytes = env.proxy().bytes().1 - before.1;
                println!("10,000 instances{options} after {:?}, {bytes} bytes", started.elapsed());
                assert!(bytes < 6_000_000, "{bytes} bytes for a list of 4 MB");
                let before = env.proxy().bytes();
                let changed = value(77).replace("127.0.0.1:78", "127.0.0.1:60001");
                operator.set(&format!("{path}/00077"), changed.as_bytes()).await.unwrap();
                let is_new = |s: &Snapshot| s.get("00077").unwrap().address().port() == Some(60_001);
                until("the change", &mut watcher, is_new).await;
                let bytes = env.proxy().bytes().1 - before.1;
                assert!(bytes < 5_000, "{bytes} bytes for one change");
                operator.set(&format!("{path}/00077"), value(77).as_bytes()).await.unwrap();
            }
        })
        .await;
    });
}

/// What changes behind the back of a watch that has died without a word is found by the audit; here nothing has, and the
/// audit, which begins anew each time, neither publishes nor leaves anything.
#[test]
fn an_audit_that_finds_nothing_is_not_seen() {
    with_zookeeper("an_audit_that_finds_nothing_is_not_seen", async |env| {
        for options in ["", "&watches=oneshot"] {
            let url = format!("{}&audit=200ms{options}", env.url());
            let registry = connect(&url, &ConnectOptions::default());
            let service = random_service();
            let _handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
            let mut watcher = registry.subscribe(&service);
            let version = until_ids("known", &mut watcher, &["a"]).await.version();
            let operator = env.server().operator();
            let before = operator.metric("zk_watch_count").await;
            let received = env.proxy().bytes().1;
            eventually("audited", async || env.proxy().bytes().1 > received + 3_000).await;
            assert_eq!(watcher.snapshot().version(), version);
            eventually("no watch is left", async || operator.metric("zk_watch_count").await <= before).await;
            drop(registry.subscribe(&random_service()));
            // And it is a watch still.
            let _b = soon("register", registry.register(registration(&service, "b", 1001))).await.unwrap();
            until_ids("both", &mut watcher, &["a", "b"]).await;
        }
    });
}

/// Fields that this version does not know, the owner and the session survive a drain by another, and an update.
#[test]
fn draining_keeps_owner_session_and_unknown_fields() {
    with_zookeeper("draining_keeps_owner_session_and_unknown_fields", async |env| {
        let (registry, other) = (env.connect(&ConnectOptions::default()), env.connect(&ConnectOptions::default()));
        let handle = soon("register", registry.register(registration(&book(), "a", 1000))).await.unwrap();
        let (operator, path) = (env.server().operator(), format!("{}/book/a", env.root()));
        let node = operator.get(&path).await.unwrap().unwrap();
        let text = String::from_utf8(node.data).unwrap();
        let extended = text.replacen('{', r#"{"future":[1],"#, 1);
        operator.set(&path, extended.as_bytes()).await.unwrap();
        soon("drain", other.drain(&book(), "a")).await.unwrap();
        let drained = operator.get(&path).await.unwrap().unwrap();
        assert_eq!(drained.owner, node.owner);
        soon("update", handle.update(instance("a", 1001))).await.unwrap();
        let updated = operator.get(&path).await.unwrap().unwrap();
        for data in [drained.data, updated.data] {
            let text = String::from_utf8(data).unwrap();
            assert!(text.contains(r#""future":[1]"#) && text.contains("owner"), "{text}");
        }
        assert!(handle.state().is_registered() && updated.owner == node.owner, "{handle:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(handle.state().is_registered(), "its own writes are no loss: {handle:?}");
    });
}
