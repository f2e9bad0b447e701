//! Watching services of a real Consul: others' registrations, health, tags, data centres, size.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use sd_consul::ConsulConfig;
use sd_core::{Backend, Health, Instancer as _, Registration};
use sd_testkit::consul::{ConsulEnvironment, ConsulOptions, ConsulServer};
use sd_testkit::samples::{instance, random_service, registration};
use sd_testkit::waiting::{soon, until, until_ids};
use sd_testkit::{ConnectOptions, Environment as _, PATIENCE};
use serde_json::json;
use support::{connect, with_quick_consul};
use tokio::time::Instant;

fn reader(env: &ConsulEnvironment, options: &str) -> std::sync::Arc<dyn Backend> {
    connect(&format!("{}&{options}", env.url()), &ConnectOptions::default())
}

/// What go-kit's registrar and others write: ids of any form, no metadata of ours, an address of the node's.
#[test]
fn services_that_go_programs_registered_are_read() {
    with_quick_consul("services_that_go_programs_registered_are_read", async |env| {
        let (gateway, service) = (env.server().gateway(), random_service());
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
        until_ids("empty", &mut watcher, &[]).await;
        let name = service.as_str();
        gateway.register_plain(name, &format!("{name}-127.0.0.1-8080"), "127.0.0.1", 8080).await;
        gateway.register_plain(name, "знать/50% #?", "book.example", 8081).await;
        gateway.register_plain(name, name, "", 8082).await;
        gateway.register_plain(name, "six", "::1", 8083).await;
        let all = ["127.0.0.1:8080", "book.example:8081", "127.0.0.1:8082", "[::1]:8083"];
        until_ids("all four", &mut watcher, &all).await;
        // Registered anew under another id, as programs with random ids do after a restart: one instance still.
        gateway.register_plain(name, "restarted", "127.0.0.1", 8080).await;
        let version = watcher.snapshot().version();
        gateway.deregister(&format!("{name}-127.0.0.1-8080")).await;
        gateway.deregister("знать/50% #?").await;
        let left = until_ids("the rest", &mut watcher, &["127.0.0.1:8080", "127.0.0.1:8082", "[::1]:8083"]).await;
        assert!(left.version() > version);
        // And they can be drained and taken away through our own administration.
        let admin = env.connect(&ConnectOptions::default());
        soon("drain", admin.drain(&service, "127.0.0.1:8080")).await.unwrap();
        until("drained", &mut watcher, |s| s.get("127.0.0.1:8080").unwrap().health() == Health::Draining).await;
        soon("deregister", admin.deregister(&service, "[::1]:8083")).await.unwrap();
        soon("deregister", admin.deregister(&service, "127.0.0.1:8082")).await.unwrap_err();
        soon("deregister", admin.deregister(&service, name)).await.unwrap();
        until_ids("one", &mut watcher, &["127.0.0.1:8080"]).await;
    });
}

/// critical is down, maintenance is draining, a warning counts with its own weight.
#[test]
fn checks_and_maintenance_say_what_an_instance_is_worth() {
    with_quick_consul("checks_and_maintenance_say_what_an_instance_is_worth", async |env| {
        let (gateway, service) = (env.server().gateway(), random_service());
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
        gateway
            .register(json!({
                "Name": service.as_str(), "ID": "w", "Address": "127.0.0.1", "Port": 80,
                "Weights": { "Passing": 9, "Warning": 3 },
                "Check": { "CheckID": "w", "TTL": "600s", "Status": "passing" },
            }))
            .await;
        let mut is = async |what: &str, health: Health, weight: u32| {
            until(what, &mut watcher, |snapshot| {
                snapshot.iter().next().is_some_and(|i| i.health() == health && i.weight() == weight)
            })
            .await;
        };
        is("passing", Health::Up, 9).await;
        gateway.set_check("w", "warning").await;
        is("warning", Health::Up, 3).await;
        gateway.set_check("w", "critical").await;
        is("critical", Health::Down, 9).await;
        gateway.set_check("w", "passing").await;
        gateway.maintenance("w", true).await;
        is("maintenance", Health::Draining, 9).await;
        gateway.maintenance("w", false).await;
        is("passing again", Health::Up, 9).await;
    });
}

/// A drain of ours is maintenance to everybody else, and so is one that says that it is down.
#[test]
fn what_wants_no_calls_is_in_maintenance_for_others() {
    with_quick_consul("what_wants_no_calls_is_in_maintenance_for_others", async |env| {
        let (gateway, service) = (env.server().gateway(), random_service());
        let registry = env.connect(&ConnectOptions::default());
        let handle = soon("register", registry.register(registration(&service, "a", 1000))).await.unwrap();
        let in_maintenance = async || {
            let checks = gateway.agent_checks(service.as_str()).await;
            checks.iter().any(|check| check["Type"] == "maintenance" && check["Status"] == "critical")
        };
        assert!(!in_maintenance().await);
        for health in [Health::Down, Health::Draining] {
            let changed = instance("a", 1000).with_health(health);
            soon("update", handle.update(changed)).await.unwrap();
            assert!(in_maintenance().await, "{health:?}");
        }
        soon("update", handle.update(instance("a", 1000))).await.unwrap();
        assert!(!in_maintenance().await);
    });
}

#[test]
fn tags_leave_out_who_has_not_all_of_them() {
    with_quick_consul("tags_leave_out_who_has_not_all_of_them", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut handles = Vec::new();
        for (port, tags) in [(1, &["a"][..]), (2, &["a", "b"]), (3, &["b", "x y=ж"]), (4, &[])] {
            let given = tags.iter().fold(instance(&port.to_string(), port), |i, tag| i.with_tag(*tag));
            handles
                .push(soon("register", registry.register(Registration::new(service.as_str(), given))).await.unwrap());
        }
        for (options, ids) in [
            ("tag=a", &["1", "2"][..]),
            ("tag=a&tag=b", &["2"]),
            ("tag=b,a", &["2"]),
            ("tag=x%20y%3D%D0%B6", &["3"]),
            ("tag=c", &[]),
            ("near=_agent&consistency=stale", &["1", "2", "3", "4"]),
            ("near=_agent&consistency=consistent&tag=b", &["2", "3"]),
        ] {
            until_ids(options, &mut reader(env, options).subscribe(&service), ids).await;
        }
        let names = soon("services", reader(env, "tag=a,b").services()).await.unwrap();
        assert_eq!(names, [service].into());
        assert!(soon("services", reader(env, "tag=c").services()).await.unwrap().is_empty());
    });
}

#[test]
fn passing_only_leaves_out_everybody_else() {
    with_quick_consul("passing_only_leaves_out_everybody_else", async |env| {
        let (gateway, service) = (env.server().gateway(), random_service());
        let registry = env.connect(&ConnectOptions::default());
        let up = soon("register", registry.register(registration(&service, "up", 1))).await.unwrap();
        let down = instance("down", 2).with_health(Health::Down);
        let _down = soon("register", registry.register(Registration::new(service.as_str(), down))).await.unwrap();
        for (port, status) in [(3, "warning"), (4, "critical")] {
            gateway
                .register(json!({
                    "Name": service.as_str(), "ID": status, "Address": "127.0.0.1", "Port": port,
                    "Check": { "TTL": "600s", "Status": status },
                }))
                .await;
        }
        let mut passing = reader(env, "passing=true").subscribe(&service);
        until_ids("those that pass", &mut passing, &["up"]).await;
        let mut all = registry.subscribe(&service);
        until_ids("all", &mut all, &["up", "down", "127.0.0.1:3", "127.0.0.1:4"]).await;
        soon("update", up.update(instance("up", 1).with_health(Health::Draining))).await.unwrap();
        until_ids("none", &mut passing, &[]).await;
    });
}

/// Whatever happens to other services wakes who watches a service that has no instances; that must stay cheap.
#[test]
fn the_churn_of_others_publishes_nothing_and_costs_little() {
    with_quick_consul("the_churn_of_others_publishes_nothing_and_costs_little", async |env| {
        let (gateway, service) = (env.server().gateway(), random_service());
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&service);
        let version = until_ids("empty", &mut watcher, &[]).await.version();
        let (before, began) = (env.proxy().bytes().0, Instant::now());
        for number in 0..150 {
            gateway.register_plain("other", &format!("o{}", number % 7), "127.0.0.1", 1 + number).await;
        }
        let queries = (env.proxy().bytes().0 - before) / 120;
        println!("about {queries} queries during 150 changes elsewhere, in {:?}", began.elapsed());
        // The pauses add up to a second after six, and then come one a second.
        assert!(queries <= 12 + began.elapsed().as_secs(), "{queries} queries");
        gateway.register_plain(service.as_str(), "x", "127.0.0.1", 80).await;
        let seen = until_ids("it", &mut watcher, &["127.0.0.1:80"]).await;
        assert_eq!(seen.version(), version + 1, "nothing was published in between");
    });
}

#[tokio::test]
async fn another_data_centre_is_watched() {
    let test = "another_data_centre_is_watched";
    let Some(one) = ConsulServer::start_with(test, ConsulOptions::new().speaking_wan()).await else { return };
    let two = ConsulServer::start_with(test, ConsulOptions::new().datacenter("dc2").joining_wan(&one)).await.unwrap();
    let config = || ConsulConfig::new(one.endpoint());
    let mut there = config().dc("dc2").connect().unwrap().subscribe(&"web".parse().unwrap());
    let mut here = config().connect().unwrap().subscribe(&"web".parse().unwrap());
    two.gateway().register_plain("web", "w", "127.0.0.1", 80).await;
    until_ids("there", &mut there, &["127.0.0.1:80"]).await;
    until_ids("not here", &mut here, &[]).await;
    let nowhere = config().dc("dc3").connect().unwrap();
    let mut nowhere = nowhere.subscribe(&"web".parse().unwrap());
    let unknown = until("an error", &mut nowhere, |snapshot| snapshot.freshness().error().is_some()).await;
    assert!(unknown.freshness().error().unwrap().to_string().contains("data centre"), "{unknown:?}");
}

/// 20 MB of JSON: read in a sensible time, and a change among them is seen alone.
#[test]
fn ten_thousand_instances_are_read_and_one_change_among_them_is_seen() {
    with_quick_consul("ten_thousand_instances_are_read", async |env| {
        let gateway = env.server().gateway();
        let node = json!({ "Node": "ext", "Address": "127.0.0.1", "SkipNodeUpdate": false });
        assert_eq!(gateway.call("PUT", "/v1/catalog/register", Some(node)).await.unwrap().0, 200);
        let set = |number: u16, weight: u32| {
            json!({ "Service": { "Verb": "set", "Node": "ext", "Service": {
                "ID": format!("web-{number}"), "Service": "web", "Address": "127.0.0.1", "Port": 1 + number,
                "Tags": ["v1", "http"], "Meta": { "version": "1.2.3", "commit": "0123456789abcdef0123456789abcdef" },
                "Weights": { "Passing": weight, "Warning": 1 },
            } } })
        };
        let numbers: Vec<_> = (0..10_000).collect();
        for chunk in numbers.chunks(64) {
            let ops: Vec<_> = chunk.iter().map(|number| set(*number, 1)).collect();
            let (status, answer) = gateway.call("PUT", "/v1/txn", Some(json!(ops))).await.unwrap();
            assert_eq!(status, 200, "{answer}");
        }
        let began = Instant::now();
        let mut watcher = env.connect(&ConnectOptions::default()).subscribe(&"web".parse().unwrap());
        let before = until("all", &mut watcher, |snapshot| snapshot.len() == 10_000).await;
        let (read, bytes) = (began.elapsed(), env.proxy().bytes().1);
        println!("10,000 instances, {bytes} bytes, were read in {read:?}");
        assert!(read < PATIENCE / 2, "after {read:?}");
        let changed = Instant::now();
        gateway.call("PUT", "/v1/txn", Some(json!([set(4711, 7)]))).await.unwrap();
        let after = until("the change", &mut watcher, |s| s.get("127.0.0.1:4712").unwrap().weight() == 7).await;
        println!("a change among them was seen after {:?}", changed.elapsed());
        let kept = after.iter().filter(|i| std::sync::Arc::ptr_eq(i, before.get(i.id()).unwrap())).count();
        assert_eq!(kept, 9_999, "only what changed goes on");
    });
}
