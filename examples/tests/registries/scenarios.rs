//! What the book does, whatever the registry.

#![allow(dead_code, unused_macros, unused_imports, reason = "without a registry's feature nobody runs them")]
#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use sd_core::{Health, Snapshot};
use sd_testkit::waiting::until;

use crate::common::Program;

const BOOK: &str = env!("CARGO_BIN_EXE_book");
const SERVER: &str = env!("CARGO_BIN_EXE_book-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_book-client");
const WATCH_LIST: &str = env!("CARGO_BIN_EXE_watch-list");
const PARTNER: &str = env!("CARGO_BIN_EXE_watch-list-partner");
const RECOMMEND: &str = env!("CARGO_BIN_EXE_recommend");

/// A real registry of a test's own.
pub(crate) trait Registry: Sized + Send + Sync {
    /// Started; `None` after having said that the test is skipped.
    fn started(test: &str) -> impl Future<Output = Option<Self>> + Send;

    /// What programs are given.
    fn url(&self) -> String;

    /// kill -9.
    fn die(&self);

    /// With its data.
    fn come_back(&self) -> impl Future<Output = ()> + Send;
}

/// Makes a test of each scenario.
macro_rules! on {
    ($registry:ty) => {
        $crate::scenarios::on!($registry:
            two_servers_are_called_in_turn_and_the_articles_listing_is_printed,
            a_server_told_to_stop_goes_without_a_failed_call, a_server_that_is_killed_costs_no_call_and_is_gone_in_time,
            a_second_signal_ends_a_server_at_once, with_a_dead_registry_a_server_stops_all_the_same,
            a_server_starts_before_its_registry_and_is_registered_when_that_comes,
            the_book_survives_a_server_stopped_hard, a_list_shows_who_comes_and_who_closes,
            a_library_that_knows_only_traits_registers_there);
    };
    ($registry:ty: $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let Some(registry) = <$registry as Registry>::started(stringify!($name)).await else { return };
                scenarios::$name(&registry).await;
            }
        )+
    };
}
pub(crate) use on;

/// A server that is registered, and the address that it is registered under.
async fn server(registry: &impl Registry, arguments: &str) -> (Program, String) {
    let server = Program::start(SERVER, &format!("--registry {} {arguments}", registry.url()));
    let address = server.said("registered as book/").await;
    (server, address)
}

fn client(registry: &impl Registry, arguments: &str) -> Program {
    Program::start(CLIENT, &format!("--registry {} {arguments}", registry.url()))
}

/// Who was called, in order.
fn called(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line.strip_prefix("请求服务: ")?.to_owned())).collect()
}

/// Waits until those who may be called are these, as a further client sees it.
async fn callable(registry: &impl Registry, wanted: &[&str]) {
    let connection = sd_kit::connect(&registry.url()).unwrap();
    let mut books = connection.subscribe(&"book".parse().unwrap());
    let wanted: BTreeSet<_> = wanted.iter().copied().collect();
    let is_so = |snapshot: &Snapshot| {
        let up = snapshot.iter().filter(|instance| instance.health() == Health::Up);
        snapshot.freshness().is_live() && up.map(|instance| instance.id()).collect::<BTreeSet<_>>() == wanted
    };
    until("those who may be called", &mut books, is_so).await;
}

pub(crate) async fn two_servers_are_called_in_turn_and_the_articles_listing_is_printed(registry: &impl Registry) {
    let ((_one, first), (_two, second)) = (server(registry, "").await, server(registry, "").await);
    callable(registry, &[&first, &second]).await;
    let ended = client(registry, "--calls 8").ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    let lines = ended.output.lines().map(str::to_owned).collect::<Vec<_>>();
    let called = called(&lines);
    assert_eq!(called.len(), 8, "{}", ended.output);
    assert_eq!(called.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&first, &second]));
    assert!(called.windows(2).all(|pair| pair[0] != pair[1]), "{called:?}");
    let listing = [
        "获取书籍详情",
        "bookId: 1 => bookName: 21天精通php",
        "获取书籍列表",
        "bookId: 1 => bookName: 21天精通php",
        "bookId: 2 => bookName: 21天精通java",
    ];
    for start in (0..lines.len()).filter(|at| lines[*at].starts_with("请求服务: ")) {
        assert_eq!(lines[start + 1..start + 6], listing);
    }
}

pub(crate) async fn a_server_told_to_stop_goes_without_a_failed_call(registry: &impl Registry) {
    let ((mut one, first), (_two, second)) = (server(registry, "--drain 2").await, server(registry, "").await);
    callable(registry, &[&first, &second]).await;
    let client = client(registry, "--calls 300 --every 20");
    client.until("both are called", |lines| called(lines).len() >= 10).await;

    one.signal(Signal::SIGTERM);
    let ended = one.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.contains("\nderegistered"), "{}", ended.output);
    callable(registry, &[&second]).await;
    let before = called(&client.lines()).len();

    let ended = client.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(!ended.output.contains("请求失败"), "not one attempt fails: {}", ended.output);
    let called = called(&ended.output.lines().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(called.len(), 300);
    assert!(called[before..].iter().all(|address| *address == second), "{called:?}");
}

pub(crate) async fn a_server_that_is_killed_costs_no_call_and_is_gone_in_time(registry: &impl Registry) {
    let ((mut one, first), (_two, second)) = (server(registry, "").await, server(registry, "").await);
    callable(registry, &[&first, &second]).await;
    let client = client(registry, "--calls 100 --every 20");
    client.until("both are called", |lines| called(lines).len() >= 10).await;
    one.kill();
    let ended = client.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert_eq!(called(&ended.output.lines().map(str::to_owned).collect::<Vec<_>>()).last(), Some(&second));
    callable(registry, &[&second]).await;
}

pub(crate) async fn a_second_signal_ends_a_server_at_once(registry: &impl Registry) {
    let (mut one, _) = server(registry, "--drain 600").await;
    one.signal(Signal::SIGTERM);
    one.said("draining").await;
    one.signal(Signal::SIGINT);
    assert_eq!(one.ended().await.status.code(), Some(130));
}

pub(crate) async fn with_a_dead_registry_a_server_stops_all_the_same(registry: &impl Registry) {
    let (mut one, _) = server(registry, "--drain 1").await;
    registry.die();
    one.signal(Signal::SIGTERM);
    let ended = one.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.contains("not deregistered"), "{}", ended.output);
}

pub(crate) async fn a_server_starts_before_its_registry_and_is_registered_when_that_comes(registry: &impl Registry) {
    registry.die();
    let arguments = format!("--registry {}", registry.url());
    let (one, mut two) = (Program::start(SERVER, &arguments), Program::start(SERVER, &arguments));
    two.said("listening on ").await;
    two.signal(Signal::SIGTERM);
    assert_eq!(two.ended().await.status.code(), Some(0));
    registry.come_back().await;
    let address = one.said("registered as book/").await;
    callable(registry, &[&address]).await;
}

pub(crate) async fn the_book_survives_a_server_stopped_hard(registry: &impl Registry) {
    let ended = Program::start(BOOK, &format!("--registry {}", registry.url())).ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert_eq!(ended.output.matches("served by ").count(), 8, "{}", ended.output);
    assert!(ended.output.contains("all 8 calls were answered"), "{}", ended.output);
}

pub(crate) async fn a_list_shows_who_comes_and_who_closes(registry: &impl Registry) {
    let url = registry.url();
    let mut list = Program::start(WATCH_LIST, &format!("--registry {url}"));
    list.said("list     []").await;
    let closing = Program::start(PARTNER, &format!("--registry {url} --after 1 --end close"));
    list.said("came     node2 at localhost:8000").await;
    assert_eq!(closing.ended().await.status.code(), Some(0));
    list.said("gone     node2 at localhost:8000").await;
    list.signal(Signal::SIGINT);
    assert_eq!(list.ended().await.status.code(), Some(0));
}

pub(crate) async fn a_library_that_knows_only_traits_registers_there(registry: &impl Registry) {
    let url = registry.url();
    let recommend = Program::start(RECOMMEND, &format!("--discover static://h:1 --register {url}"));
    let ended = recommend.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.starts_with("registered recommendations/localhost:8000"), "{}", ended.output);
}
