//! In order, retried, never lost, and a slow receiver is nobody else's matter.

use crate::common::centre;
use crate::program::{Manner, Program, deregister, eventually};

#[tokio::test]
async fn an_uncertain_push_is_repeated_as_removed_and_then_added() {
    let (_centre, http) = centre().await;
    let (log, grading) = (Program::start().await, Program::start().await);
    grading.registered(&http, "GradingService", &["LogService"]).await;
    grading.state().updates = Manner::Break;
    log.registered(&http, "LogService", &[]).await;
    eventually("the push arrives, and its answer doesn't", || grading.state().patches.len() >= 2).await;
    grading.state().updates = Manner::Ok;
    let entry = format!(r#"[{{"Name":"LogService","URL":"{}"}}]"#, log.url);
    let (added, removed) =
        (format!(r#"{{"Added":{entry},"Removed":[]}}"#), format!(r#"{{"Added":[],"Removed":{entry}}}"#));
    eventually("it is told again", || {
        grading.state().patches.last() == Some(&added) && grading.state().patches.len() > 3
    })
    .await;
    grading.knows("one", &[("LogService", &log.url)]).await;
    let patches = grading.state().patches.clone();
    assert_eq!(patches[1], added);
    assert!(patches[2..patches.len() - 1].iter().all(|patch| *patch == removed), "{patches:?}");
}

#[tokio::test]
async fn a_receiver_that_is_away_is_told_when_it_is_back_and_none_twice() {
    let (_centre, http) = centre().await;
    let grading = Program::start().await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    let logs = [Program::start().await, Program::start().await, Program::start().await];
    grading.state().updates = Manner::Break;
    for log in &logs {
        log.registered(&http, "LogService", &[]).await;
    }
    assert_eq!(deregister(&http, &logs[1].url).await, 200);
    grading.state().updates = Manner::Ok;
    grading.knows("two of three", &[("LogService", &logs[0].url), ("LogService", &logs[2].url)]).await;
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody() {
    let (_centre, http) = centre().await;
    let (slow, quick) = (Program::start().await, Program::start().await);
    slow.registered(&http, "GradingService", &["LogService"]).await;
    quick.registered(&http, "Portald", &["LogService"]).await;
    slow.state().updates = Manner::Hang;
    let first = Program::start().await;
    first.registered(&http, "LogService", &[]).await;
    eventually("the slow one is being told", || slow.state().patches.len() == 2).await;
    let second = Program::start().await;
    let started = tokio::time::Instant::now();
    second.registered(&http, "LogService", &[]).await;
    quick.knows("both", &[("LogService", &first.url), ("LogService", &second.url)]).await;
    assert_eq!(deregister(&http, &first.url).await, 200);
    quick.knows("one", &[("LogService", &second.url)]).await;
    let took = started.elapsed();
    assert_eq!(slow.state().patches.len(), 2, "the slow one is still at its first, after {took:?}");
}
