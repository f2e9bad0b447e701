//! Out at the first failure, in again when it is answered again, also later; forgotten in the end.

use std::time::Duration;

use sd_registry::{PushRules, Registry};

use crate::common::{centre, spawn};
use crate::program::{Manner, Program, deregister, eventually, until_listed};

fn quick() -> PushRules {
    PushRules::new().heartbeat(Duration::from_millis(100))
}

#[tokio::test]
async fn out_at_the_first_failure_and_in_again_however_late() {
    let (_centre, http) = spawn(Registry::builder().push(quick())).await;
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &["GradingService"]).await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    log.knows("grading", &[("GradingService", &grading.url)]).await;
    let told = log.state().patches.len();
    for manner in [Manner::Status(503), Manner::Redirect, Manner::Break, Manner::Hang] {
        log.state().heart = manner;
        grading.knows("it is out", &[]).await;
        until_listed(&http, "LogService", 0).await;
        let asked = log.state().heartbeats;
        if manner != Manner::Hang {
            // More than one round of three: the article's centre has given up by now.
            eventually("it is asked on and on", || log.state().heartbeats > asked + 6).await;
        }
        log.state().heart = Manner::Ok;
        grading.knows("it is back", &[("LogService", &log.url)]).await;
    }
    assert_eq!(log.state().patches.len(), told, "its own set is not told again: it would append it");
    log.is_well();
}

#[tokio::test]
async fn who_is_out_is_told_what_happens_meanwhile() {
    let (_centre, http) = spawn(Registry::builder().push(quick())).await;
    let grading = Program::start().await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    grading.state().heart = Manner::Status(500);
    until_listed(&http, "GradingService", 0).await;
    let log = Program::start().await;
    log.registered(&http, "LogService", &[]).await;
    grading.knows("the log service", &[("LogService", &log.url)]).await;
}

#[tokio::test]
async fn who_is_silent_for_too_long_is_forgotten() {
    let rules = quick().deregister_after(Duration::from_millis(300));
    let (_centre, http) = spawn(Registry::builder().push(rules)).await;
    let log = Program::start().await;
    log.registered(&http, "LogService", &[]).await;
    log.state().heart = Manner::Status(500);
    until_listed(&http, "LogService", 0).await;
    let waited = tokio::time::timeout(crate::common::PATIENCE, async {
        while !http.get("/metrics").await.text.contains("sd_registry_push_members 0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok());
    assert_eq!(deregister(&http, &log.url).await, 500);
    log.state().heart = Manner::Ok;
    log.registered(&http, "LogService", &[]).await;
    until_listed(&http, "LogService", 1).await;
}

#[tokio::test]
async fn by_default_every_three_seconds() {
    let (_centre, http) = centre().await;
    let log = Program::start().await;
    let started = tokio::time::Instant::now();
    log.registered(&http, "LogService", &[]).await;
    eventually("two heartbeats", || log.state().heartbeats == 2).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(5_500), "{took:?}");
}

#[tokio::test]
async fn what_an_administrator_takes_away_comes_back_and_a_newer_registrant_stays() {
    let (_centre, http) = spawn(Registry::builder().push(quick())).await;
    let log = Program::start().await;
    log.registered(&http, "LogService", &[]).await;
    let id = log.url.strip_prefix("http://").unwrap();
    let body = serde_json::json!({"service": "LogService", "id": id});
    assert_eq!(http.post("/v1/deregister", &body).await.status, 200);
    until_listed(&http, "LogService", 1).await;
    http.register("LogService", id, "newer").await;
    eventually("it is asked no more", || log.state().heartbeats > 0).await;
    let waited = tokio::time::timeout(crate::common::PATIENCE, async {
        while !http.get("/metrics").await.text.contains("sd_registry_push_members 0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "the older registrant has ended");
    let list = http.get("/v1/services/LogService").await.json();
    assert_eq!(list["instances"][0]["instance"]["owner"], "newer");
}
