//! `book`, the first command of the README: it needs no server and no option.

#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

mod common;

use std::collections::BTreeSet;

use common::{Ended, Program};
use nix::sys::signal::Signal;
use sd_testkit::waiting::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BOOK: &str = env!("CARGO_BIN_EXE_book");

/// Who served each call, in order; and how often an attempt failed.
fn served_and_failed(output: &str) -> (Vec<&str>, usize) {
    let served = output.lines().filter_map(|line| line.split_once("served by ")?.1.split_whitespace().next()).collect();
    (served, output.matches("failed, trying another").count())
}

fn assert_survived(ended: &Ended) {
    let output = &ended.output;
    assert_eq!(ended.status.code(), Some(0), "{output}");
    let (served, failed) = served_and_failed(output);
    assert_eq!(served.len(), 8, "{output}");
    let before = &served[..4];
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 2, "two instances: {output}");
    assert_eq!(before[..2], before[2..], "in turn: {output}");
    let after = served[4..].iter().collect::<BTreeSet<_>>();
    assert_eq!(after.len(), 1, "the one that is left: {output}");
    assert!(failed >= 1, "the one that was stopped is tried, as its registration is still there: {output}");
    assert_eq!(output.matches("21天精通php, 21天精通java").count(), 8, "{output}");
}

#[tokio::test]
async fn eight_calls_go_to_two_instances_in_turn_and_none_fails_when_one_is_stopped_hard() {
    assert_survived(&Program::start(BOOK, "").ended().await);
}

/// One that goes on, and the address of the server that is left.
async fn staying() -> (Program, String) {
    let book = Program::start(BOOK, "--stay");
    book.said("all 8 calls were answered").await;
    let is_left = |line: &&String| line.contains("served by ");
    let left = book.lines().iter().rfind(is_left).unwrap().split_once("served by ").unwrap().1.to_owned();
    (book, left)
}

async fn nobody_listens_at(address: &str) {
    eventually("no process is left", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn its_page_is_there_while_it_goes_on_and_ctrl_c_leaves_nothing_behind() {
    let (mut book, left) = staying().await;
    let page = book.said("its page: http://").await.trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&page).await.unwrap();
    let request = format!("GET /v1/services HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"name\":\"book-"), "{answer}");
    book.said("call 9").await;
    book.signal(Signal::SIGINT);
    let ended = book.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    nobody_listens_at(&left).await;
    nobody_listens_at(&page).await;
}

#[tokio::test]
async fn when_it_is_killed_its_parts_end_too() {
    let (mut book, left) = staying().await;
    book.kill();
    nobody_listens_at(&left).await;
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn the_same_over_etcd() {
    let Some(etcd) = sd_testkit::etcd::EtcdServer::start("the_same_over_etcd").await else { return };
    let url = format!("etcd://{}?ttl=2s", etcd.endpoint());
    assert_survived(&Program::start(BOOK, &format!("--registry {url}")).ended().await);

    let gateway = etcd.gateway();
    sd_testkit::waiting::eventually("nothing is left in the registry", async || {
        gateway.list("/services/").await.is_empty()
    })
    .await;
}
