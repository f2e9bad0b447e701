//! A tonic server's life with its registry: found when it serves, gone before it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::echo::{Echo, Script};
use common::{EchoClient, builder, connected};
use sd_core::{Address, Backend, Drivers, FixedInstancer, Health, Instance, MemoryDriver, Subscription};
use sd_testkit::waiting::{eventually, soon, until};
use sd_tonic::{Channel, RegisteredServer, ServeError, Targets};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

fn memory() -> Arc<dyn Backend> {
    Drivers::new().with(MemoryDriver::default()).connect("memory://").unwrap()
}

struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServeError>>,
    script: Arc<Script>,
}

fn run(server: RegisteredServer, name: &str) -> Running {
    let script = Arc::<Script>::default();
    let (stop, stopped) = oneshot::channel();
    let server = server.add_service(Echo { name: name.into(), script: Arc::clone(&script) });
    let ended = tokio::spawn(async move { server.run(async { drop(stopped.await) }).await });
    Running { stop, ended, script }
}

fn subscribe(registry: &Arc<dyn Backend>, service: &str) -> Subscription {
    registry.subscribe(&service.parse().unwrap())
}

fn channel(registry: &Arc<dyn Backend>, service: &str) -> Channel {
    Targets::new()
        .registry("memory", Arc::clone(registry))
        .channel(&format!("memory:///{service}"))
        .unwrap()
        .connect()
        .unwrap()
}

async fn health(channel: &Channel, service: &str) -> i32 {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner().status
}

#[tokio::test]
async fn it_is_found_under_its_services_names_and_healthy() {
    let registry = memory();
    let server = RegisteredServer::new(registry.clone()).describe(|instance| instance.with_weight(7));
    let running = run(server.drain(Duration::ZERO), "one");
    let mut found = subscribe(&registry, "test.Echo");
    let snapshot = until("it is found", &mut found, |snapshot| snapshot.len() == 1).await;
    assert_eq!(snapshot.iter().next().unwrap().weight(), 7);
    let channel = channel(&registry, "test.Echo");
    assert_eq!(EchoClient::new(channel.clone()).unary("who".to_owned()).await.unwrap().into_inner(), "one");
    assert_eq!((health(&channel, "test.Echo").await, health(&channel, "").await), (1, 1));
    running.stop.send(()).unwrap();
    soon("its end", running.ended).await.unwrap().unwrap();
    until("it is gone", &mut found, sd_core::Snapshot::is_empty).await;
}

#[tokio::test]
async fn it_drains_and_deregisters_before_it_says_goaway_and_streams_finish() {
    let registry = memory();
    let server = RegisteredServer::new(registry.clone()).register_as("echo").register_as("other");
    let running = run(server.drain(Duration::from_millis(400)), "one");
    let (mut found, mut other) = (subscribe(&registry, "echo"), subscribe(&registry, "other"));
    let snapshot = until("it is found", &mut found, |snapshot| snapshot.len() == 1).await;
    until("it is found", &mut other, |snapshot| snapshot.len() == 1).await;
    let address = snapshot.iter().next().unwrap().address().socket_addr().unwrap();
    // One that knows nothing of the registry, and so calls on while the server drains.
    let stubborn = builder(&FixedInstancer::new([Instance::new(address)])).connect().unwrap();
    let mut client = EchoClient::new(stubborn.clone());
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut both = client.both(tokio_stream::wrappers::ReceiverStream::new(receive)).await.unwrap().into_inner();

    running.stop.send(()).unwrap();
    until("it drains", &mut found, |snapshot| snapshot.iter().all(|i| i.health() == Health::Draining)).await;
    assert_eq!(found.snapshot().len(), 1);
    client.unary("who".to_owned()).await.unwrap();
    assert_eq!(health(&stubborn, "test.Echo").await, 2);
    until("it is gone", &mut found, sd_core::Snapshot::is_empty).await;
    until("it is gone", &mut other, sd_core::Snapshot::is_empty).await;
    eventually("it takes no more", async || client.unary("who".to_owned()).await.is_err()).await;
    assert!(!running.ended.is_finished());
    send.send("still".to_owned()).await.unwrap();
    assert_eq!(both.next().await.unwrap().unwrap(), "one: still");
    drop(send);
    assert!(both.next().await.is_none());
    soon("its end", running.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_and_that_is_said() {
    let registry = memory();
    let server = RegisteredServer::new(registry.clone()).register_as("echo");
    let running = run(server.drain(Duration::ZERO).finish(Duration::from_millis(100)), "one");
    let channel = channel(&registry, "echo");
    let mut stream = EchoClient::new(channel).down("open").await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    running.stop.send(()).unwrap();
    let ended = soon("its end", running.ended).await.unwrap();
    assert!(matches!(ended, Err(ServeError::Unfinished(_))), "{ended:?}");
    let status = soon("the stream's end", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    eventually("nothing is left of it", async || running.script.open_streams.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn dropping_it_ends_its_connections_and_its_registration() {
    let registry = memory();
    let running = run(RegisteredServer::new(registry.clone()).register_as("echo"), "one");
    let channel = channel(&registry, "echo");
    let mut stream = EchoClient::new(channel.clone()).down("open").await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    running.ended.abort();
    assert!(soon("the stream's end", stream.next()).await.unwrap().is_err());
    until("it is gone", &mut subscribe(&registry, "echo"), sd_core::Snapshot::is_empty).await;
    connected(&channel, 0).await;
}

#[tokio::test]
async fn a_rolling_restart_of_all_servers_fails_no_call() {
    let registry = memory();
    let start = |name: &str| {
        let server = RegisteredServer::new(registry.clone()).register_as("echo");
        run(server.drain(Duration::from_millis(50)), name)
    };
    let mut servers = vec![start("a"), start("b"), start("c")];
    let channel = channel(&registry, "echo");
    connected(&channel, 3).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, stopped) = (EchoClient::new(channel.clone()), stopped.clone());
            tokio::spawn(async move {
                while !*stopped.borrow() {
                    client.unary("sleep 1".to_owned()).await.map_err(|status| format!("{status:?}"))?;
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    for name in ["d", "e", "f"] {
        let old = servers.remove(0);
        servers.push(start(name));
        connected(&channel, 4).await;
        old.stop.send(()).unwrap();
        soon("its end", old.ended).await.unwrap().unwrap();
        connected(&channel, 3).await;
    }
    stop.send_replace(true);
    for caller in callers {
        soon("a caller", caller).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_registered() {
    let registry = memory();
    let server = || RegisteredServer::new(registry.clone());
    let refused = async |server: RegisteredServer| {
        let ended = soon("its end", run(server, "one").ended).await.unwrap();
        let error = ended.unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        text
    };
    assert!(refused(server().listen("0.0.0.0:0".parse().unwrap())).await.contains("advertise"));
    assert!(refused(server().register_as("a/b")).await.contains("a/b"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    assert!(refused(server().listen(address)).await.contains(&format!("listen on {address}")));
    let none = server().run(std::future::ready(())).await.unwrap_err();
    assert!(none.to_string().contains("no service"), "{none}");
    let advertised: Address = "10.0.0.7:50051".parse().unwrap();
    let running = run(server().listen("0.0.0.0:0".parse().unwrap()).advertise(advertised.clone()), "one");
    let mut found = subscribe(&registry, "test.Echo");
    let snapshot = until("it is found", &mut found, |snapshot| snapshot.len() == 1).await;
    assert_eq!(*snapshot.iter().next().unwrap().address(), advertised);
    drop(running.stop);
}
