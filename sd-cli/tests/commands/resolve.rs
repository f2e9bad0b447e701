//! `resolve`: how picks spread.

use sd_core::Health;
use sd_testkit::samples::instance;
use serde_json::json;

use crate::running::{World, json, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picks_spread_as_the_policy_says_and_nobody_draining_is_picked() {
    let world = World::start().await;
    let _two = world.two("book").await;
    let _draining = world.register("book", instance("c", 3).with_health(Health::Draining)).await;
    let turns = json(&world.url, &["resolve", "book", "-n", "1000", "--balancer", "round-robin"]).await;
    let counts: Vec<_> = turns["picks"].as_array().unwrap().iter().map(|pick| &pick["count"]).collect();
    assert_eq!(counts, [500, 500], "{turns}");
    assert_eq!(turns["left_out"], json!([{ "id": "c", "why": "it is draining" }]));
    let random = json(&world.url, &["resolve", "book", "-n", "1000"]).await;
    let counts: Vec<_> =
        random["picks"].as_array().unwrap().iter().map(|pick| pick["count"].as_u64().unwrap()).collect();
    // Six standard deviations of a fair coin: one run in 500 million fails.
    assert!(counts.iter().sum::<u64>() == 1000 && counts.iter().all(|count| (405..=595).contains(count)), "{random}");
    let table = run(&world.url, &["resolve", "book", "-n", "10", "-b", "round-robin"]).await.out;
    assert!(table.contains("50.0 %") && table.contains("not picked: it is draining"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pick_is_an_address_and_a_filter_may_leave_nobody() {
    let world = World::start().await;
    let _one = world.register("book", instance("a", 1).with_tag("v1").with_zone("z")).await;
    assert_eq!(run(&world.url, &["resolve", "book"]).await.out, "127.0.0.1:1\n");
    assert_eq!(run(&world.url, &["resolve", "book", "--tag", "v1", "--zone", "z"]).await.out, "127.0.0.1:1\n");
    let ended = run(&world.url, &["resolve", "book", "--tag", "v2"]).await;
    assert!(ended.code == Some(3) && ended.err.contains("a (another tag or zone)"), "{ended:?}");
}
