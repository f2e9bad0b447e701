//! Checks that Consul runs itself: HTTP, TCP and gRPC; nobody here sends a heartbeat then.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use sd_consul::{CheckKind, ConsulConfig};
use sd_core::{Address, Connection, Health, Instance, Instancer as _, Registrar as _, Registration, RegistrationState};
use sd_testkit::consul::ConsulEnvironment;
use sd_testkit::samples::random_service;
use sd_testkit::waiting::{eventually, soon, until, until_ids, until_state};
use support::{with_consul, with_quick_consul};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn config(env: &ConsulEnvironment, kind: CheckKind) -> ConsulConfig {
    ConsulConfig::new(env.proxy().address().to_string())
        .check(kind)
        .check_interval(Duration::from_secs(1))
        .check_timeout(Duration::from_secs(5))
        .ttl(Duration::from_secs(3))
}

fn at(address: SocketAddr) -> Instance {
    Instance::new(Address::from(address)).with_id("a")
}

async fn register(
    registry: &Connection,
    service: &sd_core::ServiceName,
    instance: Instance,
) -> sd_core::RegistrationHandle {
    soon("register", registry.register(Registration::new(service.as_str(), instance))).await.unwrap()
}

/// Answers with a status that can be changed, and remembers the last request.
async fn web_server(
    status: Arc<AtomicU16>,
    last: Arc<std::sync::Mutex<String>>,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            *last.lock().unwrap() = String::from_utf8_lossy(&request[..read]).into_owned();
            let status = status.load(Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    (address, serving)
}

#[test]
fn an_http_check_says_up_warning_and_down_and_sends_what_was_asked_for() {
    with_quick_consul("an_http_check_says_up_warning_and_down", async |env| {
        let (status, last) = (Arc::new(AtomicU16::new(200)), Arc::default());
        let (address, serving) = web_server(Arc::clone(&status), Arc::clone(&last)).await;
        let config = config(env, CheckKind::Http).check_path("/live?x=1").check_method("PUT").warning_weight(3);
        let registry = config.check_header("X-One", "1").check_header("X-One", "2").connect().unwrap();
        let service = random_service();
        let mut watcher = registry.subscribe(&service);
        let _kept = register(&registry, &service, at(address).with_weight(9)).await;
        for (code, health, weight) in
            [(200, Health::Up, 9), (429, Health::Up, 3), (500, Health::Down, 9), (204, Health::Up, 9)]
        {
            status.store(code, Ordering::SeqCst);
            until(&format!("status {code}"), &mut watcher, |snapshot| {
                snapshot.get("a").is_some_and(|i| i.health() == health && i.weight() == weight)
            })
            .await;
        }
        let request = last.lock().unwrap().clone();
        assert!(request.starts_with("PUT /live?x=1 HTTP/1.1"), "{request}");
        assert!(request.contains("X-One: 1") && request.contains("X-One: 2"), "{request}");
        serving.abort();
    });
}

#[test]
fn a_tcp_check_is_down_until_somebody_listens() {
    with_quick_consul("a_tcp_check_is_down_until_somebody_listens", async |env| {
        let registry = config(env, CheckKind::Tcp).connect().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], sd_testkit::ports::free()));
        let service = random_service();
        let mut watcher = registry.subscribe(&service);
        let _kept = register(&registry, &service, at(address)).await;
        until("down", &mut watcher, |s| s.get("a").is_some_and(|i| i.health() == Health::Down)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        until("up", &mut watcher, |s| s.get("a").is_some_and(|i| i.health() == Health::Up)).await;
        drop(listener);
        until("down again", &mut watcher, |s| s.get("a").is_some_and(|i| i.health() == Health::Down)).await;
    });
}

/// A gRPC health service, as far as Consul asks one: SERVING for `book`, and nothing else.
async fn grpc_health(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    let mut asked = Vec::new();
                    let mut body = request.into_body();
                    while let Some(Ok(piece)) = body.data().await {
                        asked.extend_from_slice(&piece);
                    }
                    let status = if asked.ends_with(b"\x0a\x04book") { 1 } else { 2 };
                    let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                    let mut sending = respond.send_response(head, false).unwrap();
                    sending.send_data(vec![0, 0, 0, 0, 2, 8, status].into(), false).unwrap();
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    sending.send_trailers(trailers).unwrap();
                });
            }
        });
    }
}

#[test]
fn a_grpc_check_asks_the_health_service_for_the_service_named() {
    with_quick_consul("a_grpc_check_asks_the_health_service", async |env| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(grpc_health(listener));
        for (path, health) in [("book", Health::Up), ("other", Health::Down)] {
            let registry = config(env, CheckKind::Grpc).check_path(path).connect().unwrap();
            let service = random_service();
            let mut watcher = registry.subscribe(&service);
            let _kept = register(&registry, &service, at(address)).await;
            let gateway = env.server().gateway();
            eventually("Consul has asked", async || {
                let checks = gateway.agent_checks(service.as_str()).await;
                checks[0]["Output"].as_str().is_some_and(|output| !output.is_empty())
            })
            .await;
            until(path, &mut watcher, |s| s.get("a").is_some_and(|i| i.health() == health)).await;
        }
        serving.abort();
        // The connections that it serves end with the agent.
        env.server().kill();
    });
}

/// Where no heartbeat would tell: what somebody took away, what a wiped agent forgot, and who was replaced.
#[test]
fn what_the_agent_lost_is_registered_again_without_heartbeats() {
    with_consul("what_the_agent_lost_is_registered_again_without_heartbeats", async |env| {
        let config = config(env, CheckKind::Tcp).check_url(env.server().endpoint()).check_passing(true);
        let (registry, service, gateway) = (config.connect().unwrap(), random_service(), env.server().gateway());
        let mut watcher = registry.subscribe(&service);
        let mut handles = Vec::new();
        for (port, id) in (1..).zip(["a", "b", "c"]) {
            handles.push(register(&registry, &service, sd_testkit::samples::instance(id, port)).await);
        }
        until("all pass from the beginning", &mut watcher, |s| {
            s.len() == 3 && s.iter().all(|i| i.health() == Health::Up)
        })
        .await;
        for id in ["c", "a"] {
            let taken = Instant::now();
            gateway.deregister(&format!("{service}:{id}")).await;
            eventually("back", async || gateway.agent_service(&format!("{service}:{id}")).await.is_some()).await;
            println!("{id} was back after {:?}", taken.elapsed());
        }
        env.server().kill();
        env.server().restart_empty().await;
        let back = Instant::now();
        eventually("all stand", async || gateway.agent_services().await.len() == 3).await;
        println!("all were back {:?} after the agent", back.elapsed());
        until_ids("all", &mut watcher, &["a", "b", "c"]).await;
        gateway.register_plain(service.as_str(), &format!("{service}:b"), "127.0.0.1", 9).await;
        until_state("superseded", &mut handles[1], RegistrationState::is_superseded).await;
    });
}

/// Less than a minute can't be, and Consul would not say so.
#[tokio::test]
async fn deregister_after_less_than_a_minute_is_refused() {
    let config = ConsulConfig::new("127.0.0.1:8500").deregister_after(Duration::from_secs(59));
    let error = config.connect().unwrap_err();
    assert!(error.to_string().contains("59s") && error.to_string().contains("1m and more"), "{error}");
}
