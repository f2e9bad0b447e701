//! What a user can get wrong is told clearly, with exit code 2.

mod common;

use common::Program;

const BOOK: &str = env!("CARGO_BIN_EXE_book");
const SERVER: &str = env!("CARGO_BIN_EXE_book-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_book-client");
const WATCH_LIST: &str = env!("CARGO_BIN_EXE_watch-list");
const PARTNER: &str = env!("CARGO_BIN_EXE_watch-list-partner");

async fn refused(program: &str, arguments: &str, hint: &str) {
    let ended = Program::start(program, arguments).ended().await;
    assert_eq!(ended.status.code(), Some(2), "{arguments}: {}", ended.output);
    assert!(ended.output.contains(hint), "{arguments}: {}", ended.output);
}

#[tokio::test]
async fn a_registry_is_needed_that_others_can_reach() {
    for program in [SERVER, CLIENT, WATCH_LIST, PARTNER] {
        refused(program, "", "--registry").await;
        refused(program, "--registry memory://", "one process").await;
        refused(program, "--registry 127.0.0.1:2379", "write scheme://host:port").await;
        refused(program, "--registry ectd://127.0.0.1", "this program knows: memory://").await;
        refused(program, "--no-such-option", "--help").await;
    }
    refused(BOOK, "--registry ectd://127.0.0.1", "this program knows: memory://").await;
    refused(BOOK, "--registry memory://", "one process").await;
    refused(BOOK, "--registry sd://127.0.0.1?tll=5s", "tll").await;
}

#[cfg(not(feature = "etcd"))]
#[tokio::test]
async fn a_registry_that_is_not_compiled_in_names_the_feature_that_adds_it() {
    for program in [BOOK, SERVER, CLIENT, WATCH_LIST, PARTNER] {
        refused(program, "--registry etcd://127.0.0.1:2379", "--features etcd").await;
    }
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn addresses_that_nobody_can_call_are_refused() {
    let registry = "--registry etcd://127.0.0.1:2379";
    refused(SERVER, &format!("{registry} --listen nonsense"), "--listen").await;
    refused(SERVER, &format!("{registry} --advertise 0.0.0.0"), "allowed are").await;
    refused(SERVER, &format!("{registry} --advertise book.example:0"), "allowed are").await;
    refused(SERVER, &format!("{registry} --drain=-1"), "allowed are").await;
    refused(PARTNER, &format!("{registry} --after soon"), "allowed are").await;
    refused(PARTNER, &format!("{registry} --address nonsense"), "allowed are").await;
    refused(PARTNER, &format!("{registry} --id a/b"), "id").await;
    refused(WATCH_LIST, &format!("{registry} --service a/b"), "allowed are").await;
}
