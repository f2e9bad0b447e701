//! Data on disk: restarts, and kill -9 at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use sd_core::default_randomness;
use sd_registry::Registry;
use sd_testkit::process::Process;
use serde_json::json;

use crate::common::{Folder, Http, registration, spawn};

/// Set for a child process: the folder on which it runs a centre.
const CHILD: &str = "SD_REGISTRY_TEST_CHILD";
/// How often the centre is killed; the long form is for a night, or a release.
const KILLS: &str = "SD_REGISTRY_KILLS";

#[tokio::test]
async fn a_restart_keeps_what_was_registered_and_a_watch_goes_on() {
    let folder = Folder::new("restart");
    let (centre, http) = spawn(Registry::builder().data(&folder.0)).await;
    http.register("book", "a", "one").await;
    http.register("book", "b", "one").await;
    http.post("/v1/deregister", &json!({"service": "book", "id": "b"})).await;
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    let at = watch.next().await.unwrap().id.unwrap();
    let before = http.get("/v1/services/book").await.json();
    centre.shutdown().await.unwrap();
    let (centre, http) = spawn(Registry::builder().data(&folder.0)).await;
    let after = http.get("/v1/services/book").await.json();
    assert_eq!((&after["epoch"], &after["revision"]), (&before["epoch"], &before["revision"]));
    assert_eq!(after["instances"][0]["instance"], before["instances"][0]["instance"]);
    assert!(after["instances"][0]["expires_in_ms"].as_u64().unwrap() > 20_000, "leases go on, with a grace");
    let mut watch = http.watch("/v1/watch/services/book", Some(&at)).await;
    assert_eq!(watch.next().await.unwrap().name, "resumed");
    let renewal = json!({"entries": [{"service": "book", "id": "a", "owner": "one"}]});
    assert_eq!(http.post("/v1/renew", &renewal).await.json()["results"], json!(["ok"]));
    let next = http.register("book", "c", "one").await;
    assert!(next["revision"].as_u64() > before["revision"].as_u64());
    drop((centre, watch));
}

#[tokio::test]
async fn a_lease_that_nobody_renews_after_a_restart_ends() {
    let folder = Folder::new("grace");
    let builder = || Registry::builder().data(&folder.0).restart_grace(Duration::from_secs(1));
    let (centre, http) = spawn(builder()).await;
    let mut body = registration("book", "a", "one");
    body["ttl_ms"] = 1_000.into();
    http.post("/v1/register", &body).await;
    centre.shutdown().await.unwrap();
    let (_centre, http) = spawn(builder()).await;
    sd_testkit::waiting::eventually("it is gone", async || http.ids("book").await.is_empty()).await;
}

#[tokio::test]
async fn a_memory_centre_begins_a_new_epoch() {
    let (first, http) = crate::common::centre().await;
    let epoch = http.get("/v1/status").await.json()["epoch"].clone();
    first.shutdown().await.unwrap();
    let (_second, http) = crate::common::centre().await;
    assert_ne!(http.get("/v1/status").await.json()["epoch"], epoch);
}

/// Not a test of its own: the process that the test below kills. It does nothing unless it is that process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process_that_runs_a_centre() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let centre = Registry::builder().data(folder).spawn().await.unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nlistening {}", centre.http_url()).unwrap();
    out.flush().unwrap();
    std::future::pending::<()>().await;
}

/// A centre in a process of its own, and its URL.
fn start(folder: &Folder) -> (Process, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "disk::child_process_that_runs_a_centre", "--nocapture"]);
    command.env(CHILD, &folder.0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    let out = process.child().stdout.take().unwrap();
    let lines = BufReader::new(out).lines().map_while(Result::ok);
    let url = lines.into_iter().find_map(|line| line.strip_prefix("listening ").map(str::to_owned));
    (process, url.expect("the child says where it listens"))
}

/// What one writer knows of one id: what was acknowledged last, and what was asked for and not answered.
#[derive(Debug, Default, Clone)]
struct Expected {
    acknowledged: Option<u32>,
    uncertain: Vec<Option<u32>>,
}

type Ledger = BTreeMap<String, Expected>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_no_acknowledged_registration_and_doubles_none() {
    const WRITERS: usize = 4;
    let kills: usize = std::env::var(KILLS).ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let folder = Folder::new("kill");
    let mut ledgers = vec![Ledger::default(); WRITERS];
    let mut newest = 0;
    let mut epoch = None;
    for round in 0..=kills {
        let (mut process, url) = start(&folder);
        let http = Http::to(&url);
        let list = http.get("/v1/services/book").await.json();
        let revision = list["revision"].as_u64().unwrap();
        assert!(revision >= newest, "round {round}: revisions went back from {newest} to {revision}");
        assert_eq!(*epoch.get_or_insert_with(|| list["epoch"].clone()), list["epoch"]);
        compare(round, &list, &mut ledgers);
        if round == kills {
            break;
        }
        let writers: Vec<_> = ledgers
            .into_iter()
            .enumerate()
            .map(|(writer, ledger)| tokio::spawn(write(http.clone(), writer, round, ledger)))
            .collect();
        let moment = default_randomness().next_u64() % 150;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill();
        ledgers = Vec::new();
        for writer in writers {
            let (ledger, seen) = writer.await.unwrap();
            newest = newest.max(seen);
            ledgers.push(ledger);
        }
    }
    let acknowledged: usize = ledgers.iter().map(BTreeMap::len).sum();
    assert!(acknowledged > 0, "something was written between the kills");
}

/// Registers, changes and takes away until the centre is gone; tells the newest revision that it was answered.
async fn write(http: Http, writer: usize, round: usize, mut ledger: Ledger) -> (Ledger, u64) {
    let mut newest = 0;
    for step in 0_u32.. {
        let id = format!("w{writer}-{}", step % 20);
        let expected = ledger.entry(id.clone()).or_default();
        let weight = 2 + (u32::try_from(round).unwrap() * 1_000 + step) % 60_000;
        let (path, body, then) = if step % 5 == 4 {
            ("/v1/deregister", json!({"service": "book", "id": id, "owner": "one"}), None)
        } else {
            let mut body = registration("book", &id, "one");
            body["ttl_ms"] = 3_600_000.into();
            body["instance"]["weight"] = weight.into();
            ("/v1/register", body, Some(weight))
        };
        let request = http.request(http::Method::POST, path).header("content-type", "application/json");
        let request = request.body(http_body_util::Full::new(body.to_string().into())).unwrap();
        match http.try_send(request).await {
            Ok(answer) if answer.status.is_success() => {
                newest = newest.max(answer.json()["revision"].as_u64().unwrap());
                *expected = Expected { acknowledged: then, uncertain: Vec::new() };
            }
            Ok(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
                expected.uncertain.push(then);
            }
            Err(_) => {
                expected.uncertain.push(then);
                break;
            }
        }
    }
    (ledger, newest)
}

fn compare(round: usize, list: &serde_json::Value, ledgers: &mut [Ledger]) {
    let mut found = BTreeMap::new();
    let mut revisions = BTreeSet::new();
    for entry in list["instances"].as_array().unwrap() {
        let id = crate::common::id_of(entry).to_owned();
        let weight = u32::try_from(entry["instance"]["weight"].as_u64().unwrap()).unwrap();
        assert!(revisions.insert(entry["revision"].as_u64().unwrap()), "round {round}: two changes of one revision");
        assert!(found.insert(id, weight).is_none(), "round {round}: one id twice");
    }
    for ledger in ledgers {
        for (id, expected) in ledger.iter_mut() {
            let is = found.remove(id);
            let possible = expected.acknowledged == is || expected.uncertain.contains(&is);
            assert!(possible, "round {round}: {id} is {is:?}, and was {expected:?}");
            *expected = Expected { acknowledged: is, uncertain: Vec::new() };
        }
    }
    assert!(found.is_empty(), "round {round}: nobody registered {found:?}");
}
