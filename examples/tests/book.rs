//! `book`, the first command of the README: it needs no server and no option.

mod common;

use std::collections::BTreeSet;

use common::{Ended, Program};

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
