//! A centre with data goes on where it was: who requires whom, whom to ask, and what who was told.

use std::time::Duration;

use sd_registry::{CentreBuilder, PushRules, Registry};

use crate::common::{Folder, spawn};
use crate::program::{Manner, Program, deregister, eventually, until_listed};

fn on(folder: &Folder) -> CentreBuilder {
    Registry::builder().data(&folder.0).push(PushRules::new().heartbeat(Duration::from_millis(100)))
}

#[tokio::test]
async fn a_restarted_centre_asks_and_tells_on_and_tells_nothing_twice() {
    let folder = Folder::new("push-restart");
    let (log, grading) = (Program::start().await, Program::start().await);
    let (centre, http) = spawn(on(&folder)).await;
    log.registered(&http, "LogService", &[]).await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    centre.shutdown().await.unwrap();

    let (told, asked) = (grading.state().patches.len(), log.state().heartbeats);
    let (centre, http) = spawn(on(&folder)).await;
    eventually("it is asked again", || log.state().heartbeats > asked).await;
    assert_eq!(http.ids("LogService").await.len(), 1);
    let second = Program::start().await;
    second.registered(&http, "LogService", &[]).await;
    grading.knows("what is new", &[("LogService", &log.url), ("LogService", &second.url)]).await;
    assert_eq!(grading.state().patches.len(), told + 1, "and that alone: {:?}", grading.state());
    centre.shutdown().await.unwrap();

    log.state().heart = Manner::Status(500);
    let (centre, http) = spawn(on(&folder)).await;
    grading.knows("who is silent is out", &[("LogService", &second.url)]).await;
    centre.shutdown().await.unwrap();

    // Out when the centre stopped: it is not forgotten.
    log.state().heart = Manner::Ok;
    let (_centre, http_again) = spawn(on(&folder)).await;
    drop(http);
    grading.knows("back", &[("LogService", &log.url), ("LogService", &second.url)]).await;
    assert_eq!(deregister(&http_again, &log.url).await, 200);
    assert_eq!(deregister(&http_again, &second.url).await, 200);
    until_listed(&http_again, "LogService", 0).await;
    grading.knows("nobody", &[]).await;
}

#[tokio::test]
async fn a_push_that_was_under_way_when_the_centre_stopped_is_made_up_for() {
    let folder = Folder::new("push-under-way");
    let (log, grading) = (Program::start().await, Program::start().await);
    let (centre, http) = spawn(on(&folder)).await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    grading.state().updates = Manner::Hang;
    log.registered(&http, "LogService", &[]).await;
    eventually("it has arrived", || grading.state().providers.len() == 1).await;
    centre.shutdown().await.unwrap();
    grading.state().updates = Manner::Ok;
    let (_centre, _http) = spawn(on(&folder)).await;
    eventually("removed, then added", || grading.state().patches.len() == 4).await;
    grading.knows("one", &[("LogService", &log.url)]).await;
}
