//! The book's client with addresses from its URL or from a file: no registry, and nothing else different.

#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use common::Program;
use sd_examples::book::Books;
use sd_testkit::samples::random_word;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

const SERVER: &str = env!("CARGO_BIN_EXE_book-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_book-client");
const WATCH_LIST: &str = env!("CARGO_BIN_EXE_watch-list");

/// A book server within the test; it ends with the test's runtime.
async fn book_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let books = Books::new().into_service();
    tokio::spawn(Server::builder().add_service(books).serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn called(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("请求服务: ")).collect()
}

async fn eight_calls_in_turn(registry: &str, servers: [SocketAddr; 2]) {
    let ended = Program::start(CLIENT, &format!("--registry {registry} --calls 8")).ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    let lines = ended.output.lines().map(str::to_owned).collect::<Vec<_>>();
    let called = called(&lines);
    let servers = servers.map(|server| server.to_string());
    assert_eq!(called.len(), 8, "{}", ended.output);
    assert_eq!(called.iter().copied().collect::<BTreeSet<_>>(), servers.iter().map(String::as_str).collect());
    assert!(called.windows(2).all(|pair| pair[0] != pair[1]), "{called:?}");
}

#[tokio::test]
async fn addresses_in_the_url_are_called_in_turn() {
    let servers = [book_server().await, book_server().await];
    eight_calls_in_turn(&format!("static://{},{}", servers[0], servers[1]), servers).await;
}

#[tokio::test]
async fn addresses_in_a_file_are_called_in_turn_and_a_change_of_the_file_is_followed() {
    let servers = [book_server().await, book_server().await];
    let path = std::env::temp_dir().join(format!("sd-examples-{}.yaml", random_word()));
    fs::write(&path, format!("book:\n- {}\n- {}\n", servers[0], servers[1])).unwrap();
    let url = format!("file://{}?poll=20ms", path.display());
    eight_calls_in_turn(&url, servers).await;

    let mut list = Program::start(WATCH_LIST, &format!("--registry {url} --service book"));
    list.said(&format!("came     {} at", servers[1])).await;
    let client = Program::start(CLIENT, &format!("--registry {url} --calls 100000 --every 5"));
    client.until("both are called", |lines| called(lines).len() >= 4).await;
    fs::write(&path, format!("book:\n- {}\n", servers[0])).unwrap();
    list.said(&format!("gone     {} at", servers[1])).await;
    let only = servers[0].to_string();
    client.until("one is called", |lines| called(lines).iter().rev().take(5).all(|address| *address == only)).await;
    fs::remove_file(&path).unwrap();
    list.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(list.ended().await.status.code(), Some(0));
}

#[tokio::test]
async fn a_server_can_not_register_there_and_says_so() {
    for url in ["static://127.0.0.1:1", "file:///no/such/file.yaml"] {
        let ended = Program::start(SERVER, &format!("--registry {url}")).ended().await;
        assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
        assert!(ended.output.contains("register: unsupported"), "{}", ended.output);
    }
}
