//! The programs against a real etcd, beyond what `registries` asks of them on every registry.

#![cfg(feature = "etcd")]

mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::Program;
use nix::sys::signal::Signal;
use sd_core::{Address, Instance};
use sd_examples::client::BookEndpoint;
use sd_testkit::etcd::EtcdServer;

const SERVER: &str = env!("CARGO_BIN_EXE_book-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_book-client");
const WATCH_LIST: &str = env!("CARGO_BIN_EXE_watch-list");
const PARTNER: &str = env!("CARGO_BIN_EXE_watch-list-partner");

fn url(etcd: &EtcdServer) -> String {
    format!("etcd://{}?ttl=2s", etcd.endpoint())
}

/// A server that is registered, and the address that it is registered under.
async fn server(etcd: &EtcdServer, arguments: &str) -> (Program, String) {
    let server = Program::start(SERVER, &format!("--registry {} {arguments}", url(etcd)));
    let address = server.said("registered as book/").await;
    (server, address)
}

fn client(etcd: &EtcdServer, arguments: &str) -> Program {
    Program::start(CLIENT, &format!("--registry {} {arguments}", url(etcd)))
}

/// Who was called, in order.
fn called(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line.strip_prefix("请求服务: ")?.to_owned())).collect()
}

#[tokio::test]
async fn another_book_is_not_found_and_not_retried() {
    let Some(etcd) = EtcdServer::start("another_book_is_not_found").await else { return };
    let (_one, _two) = (server(&etcd, "").await, server(&etcd, "").await);
    let ended = client(&etcd, "--calls 8 --book 3").ended().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("no book has the id 3"), "{}", ended.output);
    assert_eq!(ended.output.matches("请求服务: ").count(), 1, "{}", ended.output);
}

#[tokio::test]
async fn without_a_server_a_call_fails_and_says_so() {
    let Some(etcd) = EtcdServer::start("without_a_server").await else { return };
    let ended = client(&etcd, "").ended().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("error: "), "{}", ended.output);
    assert!(!ended.output.contains("请求服务"), "{}", ended.output);
}

#[tokio::test]
async fn what_runs_is_finished_before_a_server_goes() {
    let Some(etcd) = EtcdServer::start("what_runs_is_finished").await else { return };
    let (mut one, _) = server(&etcd, "--drain 0.3 --work 700").await;
    let client = client(&etcd, "--calls 1");
    client.said("获取书籍详情").await;
    // The second of the call's two requests is on its way, and runs for longer than the server drains.
    one.signal(Signal::SIGINT);
    let (ended, called) = (one.ended().await, client.ended().await);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert_eq!(called.status.code(), Some(0), "{}", called.output);
}

#[tokio::test]
async fn what_runs_for_too_long_is_left() {
    let Some(etcd) = EtcdServer::start("what_runs_for_too_long").await else { return };
    let (mut one, address) = server(&etcd, "--drain 1 --work 600000").await;
    let instance = Instance::new(address.parse::<Address>().unwrap());
    let endpoint = BookEndpoint::new(Arc::new(instance)).unwrap();
    let asked = tokio::spawn(async move { endpoint.info(1).await });

    one.signal(Signal::SIGTERM);
    let ended = one.ended().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("still running after 20s"), "{}", ended.output);
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
async fn a_call_that_is_under_way_when_its_server_is_killed_is_made_elsewhere() {
    let Some(etcd) = EtcdServer::start("a_call_that_is_under_way").await else { return };
    let ((mut one, first), (_two, second)) = (server(&etcd, "--work 700").await, server(&etcd, "").await);
    let client = client(&etcd, "--calls 2");
    client.until("the first of its two requests is answered", |lines| under_way(lines, &first)).await;
    one.kill();
    let ended = client.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.contains("请求失败"), "{}", ended.output);
    let called = called(&ended.output.lines().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(called.iter().filter(|address| **address == second).count(), 2, "{called:?}");
}

/// Whether the newest call went to `address`, and has got the first of its two answers.
fn under_way(lines: &[String], address: &str) -> bool {
    let call = lines.iter().rposition(|line| line.starts_with("请求服务: "));
    let call = call.map_or(&[][..], |start| &lines[start..]);
    call.first().is_some_and(|line| line.ends_with(address)) && call.get(1).is_some_and(|line| line == "获取书籍详情")
}

#[tokio::test]
async fn what_is_advertised_is_registered() {
    let Some(etcd) = EtcdServer::start("what_is_advertised").await else { return };
    let (_one, address) = server(&etcd, "--advertise book.example:80").await;
    assert_eq!(address, "book.example:80");

    let mut command = Command::new(SERVER);
    command.args(["--registry", &url(&etcd), "--listen", "0.0.0.0:0"]).env("SD_ADVERTISE", "192.0.2.7");
    let two = Program::spawn(&mut command);
    let port = two.said("listening on 0.0.0.0:").await;
    assert_eq!(two.said("registered as book/").await, format!("192.0.2.7:{port}"));
}

#[tokio::test]
async fn a_server_on_every_address_registers_one_that_can_be_called() {
    let Some(etcd) = EtcdServer::start("a_server_on_every_address").await else { return };
    let (one, address) = server(&etcd, "--listen 0.0.0.0:0").await;
    let address: std::net::SocketAddr = address.parse().unwrap();
    assert!(!address.ip().is_unspecified());
    assert_eq!(address.port().to_string(), one.said("listening on 0.0.0.0:").await);
    let ended = client(&etcd, "--calls 2").ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

#[tokio::test]
async fn a_server_that_a_go_program_registered_is_found() {
    let Some(etcd) = EtcdServer::start("a_go_program_registered").await else { return };
    // Registered where the client does not look, so that what it finds is what stands there by hand.
    let elsewhere = format!("--registry etcd://{}/elsewhere", etcd.endpoint());
    let server = Program::start(SERVER, &elsewhere);
    let address = server.said("registered as book/").await;

    // The article's key and value, byte for byte; nobody needs to listen there, as it is tried again elsewhere.
    let gateway = etcd.gateway();
    gateway.put("/services/book/127.0.0.1:50052", "127.0.0.1:50052", None).await;
    gateway.put(&format!("/services/book/{address}"), &address, None).await;

    let ended = client(&etcd, "--calls 4").ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    let called = called(&ended.output.lines().map(str::to_owned).collect::<Vec<_>>());
    assert!(called.iter().any(|called| called == "127.0.0.1:50052"), "{called:?}");
    assert!(called.contains(&address), "{called:?}");
}

#[tokio::test]
async fn go_programs_find_a_server_that_registers_plain() {
    let Some(etcd) = EtcdServer::start("go_programs_find_a_server").await else { return };
    let server = Program::start(SERVER, &format!("--registry {}&codec=plain", url(&etcd)));
    let address = server.said("registered as book/").await;
    assert_eq!(etcd.gateway().get(&format!("/services/book/{address}")).await, Some(address));
}

#[tokio::test]
async fn a_list_shows_who_comes_who_closes_and_who_dies() {
    let Some(etcd) = EtcdServer::start("a_list_shows_who_comes").await else { return };
    let registry = format!("--registry etcd://{}", etcd.endpoint());
    let mut list = Program::start(WATCH_LIST, &registry);
    list.said("list     []").await;

    let closing = Program::start(PARTNER, &format!("{registry} --after 1 --end close"));
    let dying = Program::start(PARTNER, &format!("{registry} --id node3 --after 1 --end die"));
    list.said("came     node2 at localhost:8000").await;
    list.said("came     node3 at localhost:8000").await;
    assert_eq!(closing.ended().await.status.code(), Some(0));
    assert_eq!(dying.ended().await.status.code(), Some(0));
    let died = tokio::time::Instant::now();
    list.said("gone     node2 at localhost:8000").await;
    list.said("gone     node3 at localhost:8000").await;
    // Its last beat was at most a third of the TTL of 5 s before it died.
    assert!(died.elapsed() > Duration::from_secs(2), "gone after its TTL, not at once: {:?}", died.elapsed());

    list.signal(Signal::SIGINT);
    assert_eq!(list.ended().await.status.code(), Some(0));
}
