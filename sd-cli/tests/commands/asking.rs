//! `ls`, `get` and `ping`.

use sd_core::Health;
use sd_testkit::samples::{instance, random_word};
use serde_json::json;

use crate::running::{World, json, run, sdkit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ls_counts_who_is_up_draining_and_down() {
    let world = World::start().await;
    let ended = run(&world.url, &["ls"]).await;
    assert_eq!((ended.code, &*ended.out), (Some(0), "SERVICE  UP  DRAINING  DOWN\n"), "{ended:?}");
    assert!(ended.err.contains("no service is registered"), "{ended:?}");
    assert_eq!(json(&world.url, &["ls"]).await, json!([]));

    let _two = world.two("book").await;
    let _draining = world.register("book", instance("c", 3).with_health(Health::Draining)).await;
    let _down = world.register("order", instance("d", 4).with_health(Health::Down)).await;
    let counted = json!([
        { "service": "book", "up": 2, "draining": 1, "down": 0 },
        { "service": "order", "up": 0, "draining": 0, "down": 1 },
    ]);
    assert_eq!(json(&world.url, &["ls"]).await, counted);
    let table = "SERVICE  UP  DRAINING  DOWN\nbook     2   1         0\norder    0   0         1\n";
    let ended = run(&world.url, &["ls"]).await;
    assert_eq!((&*ended.out, &*ended.err), (table, ""), "no colours in a pipe, and nothing else");
    assert_eq!(run(&world.url, &["ls", "--names"]).await.out, "SERVICE\nbook\norder\n");
    assert_eq!(run(&world.url, &["ls", "--names", "-o", "yaml"]).await.out, "- service: book\n- service: order\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_shows_all_that_an_instance_says() {
    let world = World::start().await;
    let book = instance("a", 1).with_weight(2).with_zone("z").with_tag("v1").with_metadata("k", "v");
    let _kept = world.register("book", book).await;
    let _other = world.register("book", instance("b", 2)).await;
    let shown = json!({
        "id": "a", "address": "127.0.0.1:1", "weight": 2, "health": "up", "zone": "z", "tags": ["v1"],
        "metadata": { "k": "v" }, "ports": {},
    });
    assert_eq!(json(&world.url, &["get", "book", "a"]).await, shown);
    let all = json(&world.url, &["get", "book"]).await;
    assert_eq!((&all["service"], &all["freshness"]), (&json!("book"), &json!("live")));
    assert_eq!(all["instances"][0], shown);
    assert_eq!(all["instances"].as_array().unwrap().len(), 2);
    let table = run(&world.url, &["get", "book"]).await.out;
    let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[1], ["a", "127.0.0.1:1", "up", "2", "z", "v1", "k=v"], "{table}");
    assert_eq!(lines[2], ["b", "127.0.0.1:2", "up", "1"], "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_told_with_what_may_have_been_meant() {
    let world = World::start().await;
    let _two = world.two("book").await;
    for (arguments, said) in [
        (&["get", "boook"][..], "nobody is registered as \"boook\"; did you mean \"book\"?"),
        (&["get", "order"], "nobody is registered as \"order\"\n"),
        (&["get", "book", "c"], "\"book\" has no instance \"c\"; did you mean"),
        (&["resolve", "bok"], "did you mean \"book\"?"),
        (&["drain", "boook", "a"], "did you mean \"book\"?"),
        (&["deregister", "book", "127.0.0.1:9"], "\"book\" has no instance \"127.0.0.1:9\""),
    ] {
        let ended = run(&world.url, arguments).await;
        assert!(ended.code == Some(3) && ended.err.contains(said) && ended.out.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert_eq!(json(&world.url, &["ls"]).await[0]["up"], 2, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ping_tells_latency_and_version() {
    let world = World::start().await;
    let told = json(&world.url, &["ping"]).await;
    assert_eq!((&told["registry"], &told["version"]), (&json!(world.url), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(told["latency_ms"].as_f64().unwrap() > 0.0, "{told}");
    assert!(world.url.ends_with(told["endpoint"].as_str().unwrap()), "{told}");
    assert!(run(&world.url, &["ping"]).await.out.contains("  ok\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_that_are_no_server_answer_too() {
    let fixed = "static://127.0.0.1:1,127.0.0.1:2";
    assert_eq!(json(fixed, &["get", "whatever"]).await["instances"][1]["id"], "127.0.0.1:2");
    assert_eq!(run(fixed, &["ping"]).await.code, Some(0));
    assert_eq!(run(fixed, &["ls"]).await.code, Some(6), "it serves every name");
    assert_eq!(json("memory://", &["ls"]).await, json!([]));
    assert_eq!(run("memory://", &["get", "book"]).await.code, Some(3));

    let path = std::env::temp_dir().join(format!("sdkit-{}.yaml", random_word()));
    std::fs::write(&path, "book:\n  - 127.0.0.1:1\n  - address: 127.0.0.1:2\n    weight: 3\n").unwrap();
    let file = format!("file://{}", path.display());
    let told = (json(&file, &["ls"]).await, json(&file, &["get", "book", "127.0.0.1:2"]).await);
    let drained = run(&file, &["drain", "book", "127.0.0.1:2"]).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(told.0, json!([{ "service": "book", "up": 2, "draining": 0, "down": 0 }]));
    assert_eq!(told.1["weight"], 3);
    assert_eq!(drained.code, Some(6), "{drained:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_read_enough_ends_it_without_a_word() {
    let world = World::start().await;
    let _two = world.two("book").await;
    let mut child = sdkit(&world.url, &["get", "book"]).spawn().unwrap();
    drop(child.stdout.take());
    let ended = sd_testkit::waiting::soon("it ends", child.wait_with_output()).await.unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
