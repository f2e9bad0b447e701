//! `register`: with a program, and without.

use std::process::Stdio;

use sd_core::{Health, Snapshot, Subscription};
use sd_testkit::ports;
use sd_testkit::samples::random_word;
use sd_testkit::waiting::{eventually, soon, until, until_ids};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::running::{Ended, World, run, sdkit, signal, terminate};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sdkit");

fn books(world: &World) -> Subscription {
    world.registry.subscribe(&"book".parse().unwrap())
}

/// The centre's URL, for registrations that do not lapse while a test waits for them to be taken back.
fn lasting(world: &World) -> String {
    format!("{}?ttl=1h", world.url)
}

/// Registers a program that listens on `address`: a registry centre, since that is what is at hand.
fn with_program(world: &World, address: &str, further: &[&str]) -> Command {
    let before = [&["register", "book", address, "--drain", "0s"], further].concat();
    sdkit(&lasting(world), &[&before[..], &["--", PROGRAM, "serve", "--listen", address]].concat())
}

async fn ended(child: Child) -> Ended {
    let output = soon("it ends", child.wait_with_output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_program_it_is_kept_until_it_is_told_to_stop() {
    let world = World::start().await;
    let mut view = books(&world);
    let arguments = ["register", "book", "10.0.0.7:8080", "--weight", "2", "--tag", "v1,v2", "--meta", "k=v", "--zone"];
    let mut child =
        sdkit(&lasting(&world), &[&arguments[..], &["z", "--id", "a", "--drain", "1h"]].concat()).spawn().unwrap();
    let snapshot = until_ids("it", &mut view, &["a"]).await;
    let instance = snapshot.get("a").unwrap();
    assert_eq!((instance.address().to_string(), instance.weight()), ("10.0.0.7:8080".to_owned(), 2));
    assert_eq!((instance.zone(), instance.tags().collect::<Vec<_>>()), (Some("z"), vec!["v1", "v2"]));
    assert_eq!(instance.metadata()["k"], "v");
    // The registry knows before the registrant does.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(soon("told", lines.next_line()).await.unwrap().unwrap(), "registered book a");
    signal(&child, "INT");
    let draining = |snapshot: &Snapshot| snapshot.get("a").is_some_and(|i| i.health() == Health::Draining);
    until("draining, for an hour", &mut view, draining).await;
    // The second one is impatient.
    signal(&child, "INT");
    assert_eq!(soon("told", lines.next_line()).await.unwrap().unwrap(), "draining book a");
    assert_eq!(ended(child).await.code, Some(0));
    until_ids("gone", &mut view, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_registered_once_it_answers_and_deregistered_before_it_is_told_to_stop() {
    let world = World::start().await;
    let mut view = books(&world);
    let address = format!("127.0.0.1:{}", ports::free());
    let health = format!("http://{address}/healthz");
    for further in [&[][..], &["--health-url", &health]] {
        let child = with_program(&world, &address, further).spawn().unwrap();
        until_ids("it", &mut view, &[&address]).await;
        tokio::net::TcpStream::connect(&address).await.unwrap();
        terminate(&child);
        let ended = ended(child).await;
        // The centre ends with 0 when it is told to; a program that was not told would have been killed.
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains(&format!("sd://{address}")), "its output is passed on: {ended:?}");
        until_ids("gone", &mut view, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_killed_is_deregistered_at_once() {
    let world = World::start().await;
    let mut view = books(&world);
    let address = format!("127.0.0.1:{}", ports::free());
    let pid_file = std::env::temp_dir().join(format!("sdkit-{}", random_word()));
    let script = format!("echo $$ > {}; exec {PROGRAM} serve --listen {address}", pid_file.display());
    let arguments = ["register", "book", &address, "--drain", "1h", "--", "sh", "-c", &script];
    let child = sdkit(&lasting(&world), &arguments).spawn().unwrap();
    until_ids("it", &mut view, &[&address]).await;
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    std::fs::remove_file(&pid_file).unwrap();
    assert!(std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    assert_eq!(ended(child).await.code, Some(128 + 9), "no hour is waited for clients of a dead program");
    until_ids("gone", &mut view, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_exit_code_is_the_programs_and_signals_are_its_own_matter() {
    let world = World::start().await;
    let nobody = format!("127.0.0.1:{}", ports::free());
    let register = |script: &str| {
        let arguments = ["register", "book", &nobody, "--", "sh", "-c", script].map(str::to_owned);
        sdkit(&world.url, &arguments.each_ref().map(String::as_str))
    };
    let output = soon("it ends", register("exit 7").output()).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(7) && text.contains("before it answered"), "{text}");
    for (name, code) in [("USR1", 8), ("HUP", 9), ("TERM", 10), ("INT", 11)] {
        let script = "for s in 'USR1 8' 'HUP 9' 'TERM 10' 'INT 11'; do set -- $s; trap \"exit $2\" $1; done; \
                      echo ready; while :; do sleep 0.05; done";
        let mut child = register(script).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(soon("ready", lines.next_line()).await.unwrap().unwrap(), "ready");
        signal(&child, name);
        assert_eq!(ended(child).await.code, Some(code), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_never_listens_is_ended() {
    let world = World::start().await;
    let nobody = format!("127.0.0.1:{}", ports::free());
    let stubborn = "trap '' TERM; while :; do sleep 0.05; done";
    for script in ["exec sleep 1000", stubborn] {
        let limits = ["--wait", "200ms", "--kill-after", "300ms"];
        let arguments = [&["register", "book", &nobody], &limits[..], &["--", "sh", "-c", script]].concat();
        let ended = run(&world.url, &arguments).await;
        let said = format!("did not answer at {nobody} within 200ms (--wait), and was ended");
        assert!(ended.code == Some(124) && ended.err.contains(&said), "{ended:?}");
    }
    assert!(world.registry.services().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_starts_nothing_and_registers_nothing() {
    let world = World::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let started = std::env::temp_dir().join(format!("sdkit-{}", random_word()));
    let touch = started.to_str().unwrap();
    for (arguments, code, said) in [
        (&["book", "10.0.0.7:8080", "--weight", "-1"][..], 2, "-1 is not in 0..=65535"),
        (&["book", "10.0.0.7:8080", "--weight", "65536"], 2, "0..=65535"),
        (&["book", "10.0.0.7"], 2, "10.0.0.7"),
        (&["book", "10.0.0.7:0"], 2, "port 0"),
        (&["book", "10.0.0.7:99999"], 2, "99999"),
        (&["bo/ok", "10.0.0.7:8080"], 2, "A-Z a-z 0-9"),
        (&["book", "10.0.0.7:8080", "--id", "a/b"], 2, "without '/'"),
        (&["book", "10.0.0.7:8080", "--meta", "k"], 2, "KEY=VALUE"),
        (&["book", "10.0.0.7:8080", "--tag", ""], 2, "must not be empty"),
        (&["book", "10.0.0.7:8080", "--health-url", "ftp://h/"], 2, "http://host:port/path"),
        (&["book", "10.0.0.7:8080", "--wait", "5"], 2, "500ms, 10s"),
        (&["book", &taken], 1, "answers at"),
    ] {
        let all = [&["register"], arguments, &["--", "touch", touch]].concat();
        let ended = run(&world.url, &all).await;
        assert!(ended.code == Some(code) && ended.err.contains(said), "{arguments:?}: {ended:?}");
    }
    let missing = ["register", "book", "127.0.0.1:1", "--", "/no/such/program"];
    let ended = run(&world.url, &missing).await;
    assert!(ended.code == Some(127) && ended.err.contains("/no/such/program"), "{ended:?}");
    assert_eq!(run("static://h:1", &["register", "book", "10.0.0.7:8080"]).await.code, Some(6));
    assert!(!started.exists(), "the program was started");
    assert!(world.registry.services().await.unwrap().is_empty());
}

/// kill -9 of `sdkit` itself leaves the entry to lapse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_leaves_nothing_for_longer_than_its_ttl() {
    let world = World::start().await;
    let mut view = books(&world);
    let url = format!("{}?ttl=1s", world.url);
    let mut child =
        sdkit(&url, &["register", "book", "10.0.0.7:8080", "--id", "a"]).stderr(Stdio::null()).spawn().unwrap();
    until_ids("it", &mut view, &["a"]).await;
    child.kill().await.unwrap();
    until_ids("lapsed", &mut view, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_took_the_id_over_keeps_it() {
    let world = World::start().await;
    let mut view = books(&world);
    // Nobody in its process watches the service: it finds out at its next beat, a third of its TTL later.
    let first =
        sdkit(&format!("{}?ttl=2s", world.url), &["register", "book", "10.0.0.7:8080", "--id", "a"]).spawn().unwrap();
    until_ids("the first", &mut view, &["a"]).await;
    let second = ["register", "book", "10.0.0.7:8081", "--id", "a", "--drain", "0s"];
    let second = sdkit(&lasting(&world), &second).spawn().unwrap();
    let taken = |snapshot: &Snapshot| snapshot.get("a").is_some_and(|i| i.address().port() == Some(8081));
    until("the second", &mut view, taken).await;
    let ended_first = ended(first).await;
    assert!(ended_first.code == Some(1) && ended_first.err.contains("newer registrant"), "{ended_first:?}");
    assert!(taken(&view.snapshot()));
    terminate(&second);
    assert_eq!(ended(second).await.code, Some(0));
    eventually("gone", async || view.snapshot().is_empty()).await;
}
