//! Registering with a real Consul agent: what stands there, how many connections it takes, and how soon a loss is mended.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::time::Duration;

use sd_consul::ConsulConfig;
use sd_core::{
    Connection, ErrorKind, Health, Instancer as _, Registrar as _, Registration, RegistrationState, Snapshot,
};
use sd_testkit::consul::{ConsulEnvironment, ConsulOptions, ConsulServer};
use sd_testkit::samples::{instance, random_service, registration};
use sd_testkit::waiting::{eventually, soon, until, until_ids, until_state};
use sd_testkit::{ConnectOptions, Environment as _};
use serde_json::json;
use support::{with_consul, with_quick_consul};
use tokio::time::Instant;

fn config(env: &ConsulEnvironment) -> ConsulConfig {
    ConsulConfig::new(env.proxy().address().to_string())
}

fn connection(env: &ConsulEnvironment, ttl: Duration) -> Connection {
    config(env).ttl(ttl).connect().unwrap()
}

fn all_up(count: usize) -> impl Fn(&Snapshot) -> bool + Send + Sync {
    move |snapshot| {
        snapshot.freshness().is_live() && snapshot.len() == count && snapshot.iter().all(|i| i.health() == Health::Up)
    }
}

/// What other programs find of a registration of ours.
#[test]
fn what_stands_in_consul_is_what_others_expect() {
    with_quick_consul("what_stands_in_consul_is_what_others_expect", async |env| {
        let registry = config(env).warning_weight(2).connect().unwrap();
        let given = instance("a b", 1000).with_weight(9).with_tag("v1").with_metadata("commit", "4f3a");
        let _kept = soon("register", registry.register(Registration::new("web", given))).await.unwrap();
        let entries = env.server().gateway().health("web").await;
        let service = &entries[0]["Service"];
        assert_eq!(service["ID"], "web:a b");
        assert_eq!((service["Address"].as_str(), service["Port"].as_u64()), (Some("127.0.0.1"), Some(1000)));
        assert_eq!(service["Tags"], json!(["v1"]));
        assert_eq!(service["Weights"], json!({ "Passing": 9, "Warning": 2 }));
        assert_eq!(service["Meta"]["commit"], "4f3a");
        let checks = env.server().gateway().agent_checks("web").await;
        assert_eq!(checks.len(), 1);
        assert_eq!((checks[0]["Type"].as_str(), checks[0]["Status"].as_str()), (Some("ttl"), Some("passing")));
    });
}

/// Consul cuts a client off that has 200 connections. A thousand instances take eight at a time, one that waits for the
/// agent's end, and one per watch; eight more may be idle.
#[test]
fn a_thousand_instances_take_a_handful_of_connections() {
    with_quick_consul("a_thousand_instances_take_a_handful_of_connections", async |env| {
        const COUNT: u16 = 1000;
        let ttl = Duration::from_secs(24);
        let (registry, service) = (connection(env, ttl), random_service());
        let began = Instant::now();
        let mut handles: Vec<_> = (0..COUNT)
            .map(|number| {
                registry.register_in_background(registration(&service, &format!("{number:04}"), 1000 + number)).unwrap()
            })
            .collect();
        let mut most = 0;
        let watched = async {
            loop {
                most = most.max(env.proxy().open());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let whole = async {
            for handle in &mut handles {
                soon("registered", handle.accepted()).await.unwrap();
            }
            let mut watcher = registry.subscribe(&service);
            until("all", &mut watcher, all_up(usize::from(COUNT))).await;
            println!("{COUNT} instances stood after {:?}", began.elapsed());
            // Longer than a TTL: they are kept.
            sd_testkit::waiting::stays("all stay", ttl + ttl / 24, &mut watcher, all_up(usize::from(COUNT))).await;
            watcher
        };
        let mut watcher = tokio::select! {
            () = watched => unreachable!("it watches for ever"),
            watcher = whole => watcher,
        };
        assert!(handles.iter().all(|handle| handle.state().is_registered()));
        println!("at most {most} connections");
        assert!(most <= 8 + 8 + 1 + 1, "{most} connections");
        let ends: Vec<_> = handles.into_iter().map(|handle| tokio::spawn(handle.deregister())).collect();
        for end in ends {
            soon("deregister", end).await.unwrap().unwrap_or_else(|error| println!("made up for later: {error}"));
        }
        until_ids("none", &mut watcher, &[]).await;
    });
}

/// An agent that is killed and comes back has everything again at once, and not when the next heartbeat is due: with a
/// TTL of two minutes that would be after 40 s.
fn comes_back_at_once(test: &str, with_data: bool) {
    with_consul(test, async |env| {
        let (registry, service) = (connection(env, Duration::from_secs(120)), random_service());
        let mut handles = Vec::new();
        for number in 0..20_u16 {
            let given = registration(&service, &format!("{number:02}"), 1000 + number);
            handles.push(soon("register", registry.register(given)).await.unwrap());
        }
        env.server().kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        match with_data {
            true => env.server().restart().await,
            false => env.server().restart_empty().await,
        }
        let back = Instant::now();
        let gateway = env.server().gateway();
        eventually("all stand and pass", async || {
            let checks = gateway.agent_checks(service.as_str()).await;
            checks.len() == 20 && checks.iter().all(|check| check["Status"] == "passing")
        })
        .await;
        println!("all were back {:?} after the agent", back.elapsed());
        assert!(back.elapsed() < Duration::from_secs(10), "after {:?}", back.elapsed());
        for handle in &mut handles {
            soon("registered", handle.accepted()).await.unwrap();
        }
    });
}

#[test]
fn an_agent_that_restarts_with_its_data_has_everything_at_once() {
    comes_back_at_once("an_agent_that_restarts_with_its_data_has_everything_at_once", true);
}

#[test]
fn an_agent_that_restarts_without_data_has_everything_at_once() {
    comes_back_at_once("an_agent_that_restarts_without_data_has_everything_at_once", false);
}

/// A single instance's loss is noticed by the open query, long before the next heartbeat.
#[test]
fn the_loss_of_the_only_instance_is_noticed_at_once() {
    with_quick_consul("the_loss_of_the_only_instance_is_noticed_at_once", async |env| {
        let (registry, service, gateway) =
            (connection(env, Duration::from_secs(120)), random_service(), env.server().gateway());
        let mut handle = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        for _ in 0..2 {
            let taken = Instant::now();
            gateway.deregister(&format!("{service}:a")).await;
            eventually("it is back", async || gateway.agent_service(&format!("{service}:a")).await.is_some()).await;
            assert!(taken.elapsed() < Duration::from_secs(10), "after {:?}", taken.elapsed());
            soon("registered", handle.accepted()).await.unwrap();
        }
        // And so is a newer registrant, whoever it is.
        gateway.register_plain(service.as_str(), &format!("{service}:a"), "127.0.0.1", 2).await;
        let began = Instant::now();
        until_state("superseded", &mut handle, RegistrationState::is_superseded).await;
        assert!(began.elapsed() < Duration::from_secs(10), "after {:?}", began.elapsed());
    });
}

/// A TTL that has lapsed is seen as down, and mended by the next heartbeat.
#[test]
fn a_lapsed_ttl_is_down_until_the_next_heartbeat() {
    with_quick_consul("a_lapsed_ttl_is_down_until_the_next_heartbeat", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let mut watcher = registry.subscribe(&service);
        let _kept = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        until("up", &mut watcher, all_up(1)).await;
        let check = env.server().gateway().agent_checks(service.as_str()).await.remove(0);
        env.server().gateway().set_check(check["CheckID"].as_str().unwrap(), "critical").await;
        until("mended", &mut watcher, all_up(1)).await;
        // Nobody keeps it while the way there is closed.
        env.proxy().set(sd_testkit::proxy::Mode::Refuse).await;
        env.proxy().cut();
        let (gateway, direct) = (env.server().gateway(), ConsulConfig::new(env.server().endpoint()));
        let lapsed = async || gateway.agent_checks(service.as_str()).await[0]["Status"] == "critical";
        eventually("lapsed", lapsed).await;
        let mut beside = direct.connect().unwrap().subscribe(&service);
        until("down", &mut beside, |s| s.get("a").is_some_and(|i| i.health() == Health::Down)).await;
        env.proxy().set(sd_testkit::proxy::Mode::Pass).await;
        for reader in [&mut beside, &mut watcher] {
            until("up again", reader, all_up(1)).await;
        }
    });
}

/// Consul answers 200 to unknown ids: that an entry is gone is read, not believed. And one that was written back behind
/// our back by its owner's namesake is not taken away.
#[test]
fn consulrs_deregisters_odd_ids_in_vain_ours_are_gone() {
    with_quick_consul("consulrs_deregisters_odd_ids_in_vain_ours_are_gone", async |env| {
        let (registry, service) = (env.connect(&ConnectOptions::default()), random_service());
        let printable: String = (' '..='~').filter(|letter| *letter != '/').collect();
        let odd = ["a b", "50%", "%2F", "a#b", "a?b=c", "знать", printable.as_str(), "..", ".", "a;b|c^d`e"];
        for (port, id) in (1..).zip(odd) {
            let handle = soon("register", registry.register(registration(&service, id, port))).await.unwrap();
            let consul_id = format!("{service}:{id}");
            assert!(env.server().gateway().agent_service(&consul_id).await.is_some(), "{id}");
            soon("deregister", handle.deregister()).await.unwrap();
            assert!(env.server().gateway().agent_service(&consul_id).await.is_none(), "{id} is still there");
        }
    });
}

/// What stands with another agent is seen, and can be drained and taken away there alone.
#[tokio::test]
async fn an_instance_of_another_agent_is_seen_and_left_to_it() {
    let test = "an_instance_of_another_agent_is_seen_and_left_to_it";
    let Some(server) = ConsulServer::start(test).await else { return };
    let agent = ConsulServer::start_with(test, ConsulOptions::new().client_of(&server)).await.unwrap();
    let at = |server: &ConsulServer| ConsulConfig::new(server.endpoint()).connect().unwrap();
    let (here, there) = (at(&server), at(&agent));
    let service = random_service();
    let _kept = soon("register", there.register(registration(&service, "a", 1))).await.unwrap();
    let mut watcher = here.subscribe(&service);
    until_ids("seen", &mut watcher, &["a"]).await;
    let admin: &dyn sd_core::Admin = &here;
    for error in [admin.drain(&service, "a").await.unwrap_err(), admin.deregister(&service, "a").await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(agent.node()), "{error}");
    }
    assert_eq!(admin.drain(&service, "b").await.unwrap_err().kind(), ErrorKind::NotFound);
    // The same id with two agents: both stand, and readers take the newer that works.
    let newer = soon("register", here.register(registration(&service, "a", 2))).await.unwrap();
    until("the newer", &mut watcher, |s| s.len() == 1 && s.get("a").unwrap().address().port() == Some(2)).await;
    soon("deregister", newer.deregister()).await.unwrap();
    until("the older", &mut watcher, |s| s.get("a").is_some_and(|i| i.address().port() == Some(1))).await;
}

/// What Consul would refuse is refused before anything is sent, with what is allowed.
#[test]
fn what_consul_can_not_carry_is_refused_at_once() {
    with_quick_consul("what_consul_can_not_carry_is_refused_at_once", async |env| {
        let registry = env.connect(&ConnectOptions::default());
        let service = random_service();
        let full = (0..100).fold(instance("full", 1), |i, n| i.with_metadata(format!("k{n}"), "x".repeat(500)));
        let anywhere = sd_core::Instance::new("0.0.0.0:80".parse::<sd_core::Address>().unwrap());
        for (given, why) in [(full, "64 pairs"), (anywhere, "0.0.0.0:80")] {
            let error =
                soon("refused", registry.register(Registration::new(service.as_str(), given))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
        let wide = (0..300).fold(instance("wide", 1), |i, n| i.with_metadata(format!("k {n}"), "ж".repeat(10)));
        let wide = wide.with_zone("z".repeat(600)).with_port("ж", 9);
        let _wide =
            soon("register", registry.register(Registration::new(service.as_str(), wide.clone()))).await.unwrap();
        let mut watcher = registry.subscribe(&service);
        let seen = until_ids("it alone", &mut watcher, &["wide"]).await;
        assert_eq!(**seen.get("wide").unwrap(), wide);
    });
}
