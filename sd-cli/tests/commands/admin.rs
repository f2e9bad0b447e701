//! `drain` and `deregister`.

use std::path::Path;

use sd_core::Health;
use sd_testkit::registry::{CentreOptions, CentreServer};
use sd_testkit::waiting::{until, until_ids};

use crate::running::{World, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_is_drained_and_another_is_left_as_it_is() {
    let world = World::start().await;
    let _two = world.two("book").await;
    let mut view = world.registry.subscribe(&"book".parse().unwrap());
    until_ids("both", &mut view, &["a", "b"]).await;
    let ended = run(&world.url, &["drain", "book", "a"]).await;
    assert_eq!((ended.code, &*ended.err, &*ended.out), (Some(0), "book a is draining\n", ""));
    let drained = |id| move |snapshot: &sd_core::Snapshot| snapshot.get(id).unwrap().health() == Health::Draining;
    let snapshot = until("draining", &mut view, drained("a")).await;
    assert!(!drained("b")(&snapshot));
}

/// Nobody keeps what is registered here by hand; an owner that lives would register it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_owner_is_gone_is_taken_away() {
    let server = CentreServer::start_binary(Path::new(env!("CARGO_BIN_EXE_sdkit")), CentreOptions::new()).await;
    let (gateway, book) = (server.gateway(), "book".parse().unwrap());
    gateway.register(&book, "a", 1, "nobody").await;
    gateway.register(&book, "b", 2, "nobody").await;
    let ended = run(&format!("sd://{}", server.address()), &["deregister", "book", "b"]).await;
    assert_eq!((ended.code, &*ended.err), (Some(0), "book b is deregistered\n"));
    assert_eq!(gateway.ids(&book).await, ["a"]);
}
