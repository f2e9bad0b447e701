//! What is answered to whom.

use std::time::Duration;

use http::Method;
use http_body_util::Full;
use sd_registry::{Limits, Registry};
use serde_json::json;

use crate::common::{Folder, centre, spawn};
use crate::program::{Manner, Program, deregister, until_listed};

#[tokio::test]
async fn the_articles_services_find_each_other() {
    let (_centre, http) = centre().await;
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    assert_eq!(log.state().patches, [r#"{"Added":null,"Removed":null}"#], "who requires nothing is told so");
    grading.registered(&http, "GradingService", &["LogService"]).await;
    // Not waited for: the present set is there before the registration is answered.
    let log_url = log.url.clone();
    let expected = format!(r#"{{"Added":[{{"Name":"LogService","URL":"{log_url}"}}],"Removed":null}}"#);
    assert_eq!(grading.state().patches, [expected]);
    let second = Program::start().await;
    second.registered(&http, "LogService", &[]).await;
    grading.knows("the second one", &[("LogService", &log_url), ("LogService", &second.url)]).await;
    let expected = format!(r#"{{"Added":[{{"Name":"LogService","URL":"{}"}}],"Removed":[]}}"#, second.url);
    assert_eq!(grading.state().patches.last().unwrap(), &expected);
    assert_eq!(deregister(&http, &log_url).await, 200);
    grading.knows("the first one went", &[("LogService", &second.url)]).await;
    let expected = format!(r#"{{"Added":[],"Removed":[{{"Name":"LogService","URL":"{log_url}"}}]}}"#);
    assert_eq!(grading.state().patches.last().unwrap(), &expected);
    assert_eq!(log.state().patches.len(), 1, "who requires nothing hears no more");
}

#[tokio::test]
async fn what_is_wrong_is_answered_as_the_articles_centre_does() {
    let (_centre, http) = centre().await;
    let program = Program::start().await;
    for body in ["", "{", "[]", "{\"ServiceName\":7}", "null", "{}"] {
        assert_eq!(http.post_text("/services", body).await.status, 400, "{body}");
    }
    for (field, value, why) in [
        ("ServiceName", "no/name", "allowed are"),
        ("ServiceURL", "nowhere", "allowed are"),
        ("ServiceUpdateURL", "", "empty"),
        ("ServiceUpdateURL", "http://10.0.0.1/services", "called from"),
        ("HeartbeatURL", "https://127.0.0.1/heartbeat", "http://"),
        ("HeartbeatURL", "http://0.0.0.0:1/heartbeat", "called from"),
    ] {
        let mut registration = program.registration("LogService", &[]);
        registration[field] = json!(value);
        let answer = http.post("/services", &registration).await;
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
        assert!(answer.text.contains(field) && answer.text.contains(why), "{answer:?}");
    }
    assert_eq!(deregister(&http, &program.url).await, 500, "nobody is registered there");
    assert_eq!(deregister(&http, "").await, 500);
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::HEAD, Method::OPTIONS] {
        let answer = http.send(http.request(method.clone(), "/services").body(Full::default()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["allow"].as_bytes()),
            (405, &b"POST, DELETE"[..]),
            "{method}"
        );
    }
    let large = format!("{{\"ServiceName\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(http.post_text("/services", large).await.status, 413);
    assert!(http.ids("LogService").await.is_empty(), "nothing of all this is kept");
    assert!(program.state().patches.is_empty(), "nobody was called");
}

#[tokio::test]
async fn gos_decoding_rules_are_kept_and_no_content_type_is_asked_for() {
    let (_centre, http) = centre().await;
    let program = Program::start().await;
    let url = &program.url;
    let body = format!(
        r#"{{"servicename":"LogService","SERVICEURL":"{url}","Unknown":[{{}}],"requiredservices":null,
        "serviceUpdateUrl":"{url}/services","heartbeaturl":"{url}/heartbeat"}} trailing"#
    );
    let request = http.request(Method::POST, "/services").body(Full::new(body.into())).unwrap();
    let answer = http.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    until_listed(&http, "LogService", 1).await;
}

#[tokio::test]
async fn who_can_not_be_told_is_refused_and_nothing_is_kept() {
    let (_centre, http) = centre().await;
    let (refusing, mute, breaking) = (Program::start().await, Program::start().await, Program::start().await);
    let registration = refusing.registration("LogService", &[]);
    refusing.stop().await;
    mute.state().updates = Manner::Hang;
    breaking.state().updates = Manner::Break;
    assert_eq!(http.post("/services", &registration).await.status, 400);
    let started = tokio::time::Instant::now();
    assert_eq!(mute.register(&http, "LogService", &[]).await.status, 400);
    assert!(started.elapsed() >= Duration::from_secs(2), "it was given its time");
    assert_eq!(breaking.register(&http, "LogService", &[]).await.status, 400);
    assert!(http.ids("LogService").await.is_empty());
    assert_eq!(deregister(&http, &mute.url).await, 500);
    mute.state().updates = Manner::Status(500);
    mute.registered(&http, "LogService", &[]).await;
}

#[tokio::test]
async fn who_was_told_and_then_refused_is_not_told_twice_when_it_tries_again() {
    let mut limits = Limits::default();
    limits.instances = 2;
    let (_centre, http) = spawn(Registry::builder().limits(limits)).await;
    let (log, other, grading) = (Program::start().await, Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    other.registered(&http, "Portald", &[]).await;
    for _ in 0..2 {
        assert_eq!(grading.register(&http, "GradingService", &["LogService"]).await.status, 400, "there is no room");
        grading.knows("it was told before that", &[("LogService", &log.url)]).await;
    }
    assert_eq!(deregister(&http, &other.url).await, 200);
    grading.registered(&http, "GradingService", &["LogService"]).await;
    grading.knows("once", &[("LogService", &log.url)]).await;
}

#[tokio::test]
async fn the_same_again_is_no_second_instance() {
    let (_centre, http) = centre().await;
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    for _ in 0..3 {
        grading.registered(&http, "GradingService", &["LogService", "LogService"]).await;
        log.registered(&http, "LogService", &[]).await;
    }
    assert_eq!(http.ids("GradingService").await.len(), 1);
    assert_eq!(http.ids("LogService").await.len(), 1);
    grading.knows("one", &[("LogService", &log.url)]).await;
    let registrations = (0..20).map(|_| {
        let (http, body) = (http.clone(), grading.registration("GradingService", &["LogService"]));
        tokio::spawn(async move { http.post("/services", &body).await.status.as_u16() })
    });
    for registration in registrations.collect::<Vec<_>>() {
        let status = registration.await.unwrap();
        assert!(status == 200 || status == 400, "{status}");
    }
    grading.knows("one still", &[("LogService", &log.url)]).await;
    assert_eq!(http.ids("GradingService").await.len(), 1);
    assert_eq!(deregister(&http, &grading.url).await, 200);
    assert_eq!(deregister(&http, &grading.url).await, 500, "there was one");
    let again = grading.again().await;
    again.registered(&http, "GradingService", &["LogService"]).await;
    again.knows("a new process is told the whole", &[("LogService", &log.url)]).await;
}

#[tokio::test]
async fn with_tokens_this_host_needs_none_and_a_web_page_is_never_answered() {
    let folder = Folder::new("push-tokens");
    let file = folder.0.join("tokens.json");
    let tokens = json!({"tokens": [{"name": "ops", "token": "ops-token-0123456789", "read": ["*"], "write": ["*"]}]});
    std::fs::write(&file, tokens.to_string()).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file)).await;
    let program = Program::start().await;
    program.registered(&http, "LogService", &[]).await;
    assert_eq!(http.get("/v1/services").await.status, 401);
    let body = program.registration("LogService", &[]).to_string();
    for header in ["origin", "sec-fetch-site"] {
        let request = http.request(Method::POST, "/services").header(header, "null");
        let answer = http.send(request.body(Full::new(body.clone().into())).unwrap()).await;
        assert_eq!(answer.status, 403, "{header}");
    }
}

#[tokio::test]
async fn who_requires_whom_is_told_for_as_long_as_it_is_so() {
    let (_centre, http) = centre().await;
    let told = async || http.get("/v1/requirements").await.json()["requirements"].clone();
    assert_eq!(told().await, json!([]));
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    grading.registered(&http, "GradingService", &["LogService", "Absent"]).await;
    let id = |program: &Program| program.url.strip_prefix("http://").unwrap().to_owned();
    let expected = json!([
        {"service": "GradingService", "id": id(&grading), "requires": ["LogService", "Absent"]},
        {"service": "LogService", "id": id(&log), "requires": []},
    ]);
    assert_eq!(told().await, expected);
    grading.registered(&http, "GradingService", &["LogService"]).await;
    assert_eq!(told().await[0]["requires"], json!(["LogService"]), "as it was posted last");
    assert_eq!(deregister(&http, &grading.url).await, 200);
    sd_testkit::waiting::eventually("its seat is free", async || told().await.as_array().unwrap().len() == 1).await;
}

#[tokio::test]
async fn who_requires_whom_names_no_service_that_the_token_may_not_read() {
    let folder = Folder::new("requirements");
    let file = folder.0.join("tokens.json");
    let [ops, reader] = ["ops-token-0123456789", "reader-token-0123456789"];
    let tokens = json!({"tokens": [
        {"name": "ops", "token": ops, "read": ["*"]},
        {"name": "reader", "token": reader, "read": ["Grading*"]},
    ]});
    std::fs::write(&file, tokens.to_string()).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file)).await;
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &["GradingService"]).await;
    grading.registered(&http, "GradingService", &["LogService", "GradingDesk"]).await;
    let told = async |token: &str| {
        let answer = http.with_token(token).get("/v1/requirements").await.json();
        let all = answer["requirements"].as_array().unwrap().clone();
        all.iter().map(|one| json!([one["service"], one["requires"]])).collect::<Vec<_>>()
    };
    let grading = json!(["GradingService", ["LogService", "GradingDesk"]]);
    assert_eq!(told(ops).await, [grading, json!(["LogService", ["GradingService"]])]);
    assert_eq!(told(reader).await, [json!(["GradingService", ["GradingDesk"]])]);
}
