//! `watch`: lines in a pipe, a command per change.

use std::process::Stdio;

use sd_core::Health;
use sd_testkit::samples::{instance, random_word};
use sd_testkit::waiting::{eventually, soon};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::running::{World, run, sdkit, terminate};

/// `sdkit watch` in a pipe.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(registry: &str, arguments: &[&str]) -> Self {
        let mut child = sdkit(registry, &[&["watch"], arguments].concat()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> Value {
        let line = soon("a line", self.lines.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line that is about somebody: what happens at once may stand in one line or in two.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.line().await;
            if wanted(&line) {
                return line;
            }
        }
    }
}

fn ids(line: &Value, list: &str) -> Vec<String> {
    line[list].as_array().unwrap().iter().map(|instance| instance["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_gets_a_line_per_change() {
    let world = World::start().await;
    let [a, b] = world.two("book").await;
    let mut watching = Watching::start(&world.url, &["book"]);
    let line = watching.line().await;
    assert_eq!((ids(&line, "added"), &line["freshness"]), (vec!["a".to_owned(), "b".to_owned()], &"live".into()));
    assert_eq!((&line["service"], &line["up"], &line["error"]), (&"book".into(), &2.into(), &Value::Null));
    a.update(instance("a", 1).with_health(Health::Draining)).await.unwrap();
    let line = watching.line().await;
    assert_eq!((ids(&line, "changed"), &line["draining"]), (vec!["a".to_owned()], &1.into()));
    b.deregister().await.unwrap();
    let line = watching.line().await;
    assert_eq!((ids(&line, "removed"), &line["up"]), (vec!["b".to_owned()], &0.into()));
    terminate(&watching.child);
    assert_eq!(soon("it ends", watching.child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_services_are_followed_also_those_that_come_later_and_come_back() {
    let world = World::start().await;
    let _book = world.register("book", instance("a", 1)).await;
    let mut watching = Watching::start(&world.url, &[]);
    watching.until(|line| line["service"] == "book" && line["up"] == 1).await;
    for _ in 0..2 {
        let order = world.register("order", instance("o", 2)).await;
        let line = watching.until(|line| line["service"] == "order" && line["up"] == 1).await;
        assert_eq!(ids(&line, "added"), ["o"]);
        order.deregister().await.unwrap();
        watching.until(|line| line["service"] == "order" && ids(line, "removed") == ["o"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_a_line_and_ends_nothing() {
    let server = sd_testkit::registry::CentreServer::start_binary(
        std::path::Path::new(env!("CARGO_BIN_EXE_sdkit")),
        sd_testkit::registry::CentreOptions::new().with_data(),
    )
    .await;
    let book = "book".parse().unwrap();
    server.gateway().register(&book, "a", 1, "nobody").await;
    let mut watching = Watching::start(&format!("sd://{}", server.address()), &["book"]);
    assert_eq!(ids(&watching.line().await, "added"), ["a"]);
    server.kill();
    let line = watching.line().await;
    assert_eq!((&line["freshness"], &line["up"], ids(&line, "removed").len()), (&"stale".into(), &1.into(), 0));
    assert!(line["error"].as_str().unwrap().contains("unavailable"), "{line}");
    server.restart().await;
    let line = watching.until(|line| line["freshness"] == "live").await;
    assert_eq!(line["up"], 1);
}

/// What a command was given is written to a file by it, a line per run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_run_per_change_one_at_a_time_with_the_newest() {
    let world = World::start().await;
    let _a = world.register("book", instance("a", 1)).await;
    let folder = std::env::temp_dir().join(format!("sdkit-{}", random_word()));
    std::fs::create_dir(&folder).unwrap();
    let (told, gate) = (folder.join("told"), folder.join("gate"));
    // Each run says its name and what it read in one line, and then waits for the gate.
    let script = format!(
        "printf '%s ' \"$SD_SERVICE\" >> {told}; cat >> {told}; while ! test -e {gate}; do sleep 0.05; done; \
         echo end >> {told}",
        told = told.display(),
        gate = gate.display()
    );
    let watching = sdkit(&world.url, &["watch", "book", "--exec", &script]).spawn().unwrap();
    // What has no end of line yet is still being written.
    let whole =
        |text: String| text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect();
    let lines = || -> Vec<String> { whole(std::fs::read_to_string(&told).unwrap_or_default()) };
    eventually("the first run", async || lines().len() == 1).await;
    // While it runs: two changes, which are one for the next run.
    let b = world.register("book", instance("b", 2)).await;
    b.deregister().await.unwrap();
    let _c = world.register("book", instance("c", 3)).await;
    std::fs::write(&gate, "").unwrap();
    let read = |line: &str| serde_json::from_str::<Value>(line.strip_prefix("book ").unwrap()).unwrap();
    let told_of = |line: &String| if line == "end\n" { Vec::new() } else { ids(&read(line), "instances") };
    eventually("the newest is told", async || lines().iter().any(|line| told_of(line) == ["a", "c"])).await;
    eventually("it has ended", async || lines().last().is_some_and(|line| line == "end\n")).await;
    let lines = lines();
    assert_eq!(told_of(&lines[0]), ["a"]);
    assert!(lines.iter().skip(1).step_by(2).all(|line| line == "end\n"), "one at a time: {lines:?}");
    terminate(&watching);
    assert_eq!(soon("it ends", watching.wait_with_output()).await.unwrap().status.code(), Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_list_all_can_not_be_watched() {
    let ended = run("static://127.0.0.1:1", &["watch"]).await;
    assert!(ended.code == Some(6) && ended.err.contains("static"), "{ended:?}");
    let mut watching = Watching::start("static://127.0.0.1:1", &["any"]);
    assert_eq!(watching.line().await["up"], 1);
}
