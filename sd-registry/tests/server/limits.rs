//! Limits: what is above them is refused, and what was there goes on.

use std::time::Duration;

use http::StatusCode;
use sd_registry::{Limits, Registry};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Http, PATIENCE, registration, spawn};

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[tokio::test]
async fn instances_values_and_watches_have_limits() {
    let limits = limits(|limits| {
        limits.instances_per_service = 2;
        limits.value_bytes = 1_000;
        limits.watchers = 1;
    });
    let (_centre, http) = spawn(Registry::builder().limits(limits)).await;
    http.register("book", "a", "one").await;
    http.register("book", "b", "one").await;
    let answer = http.post("/v1/register", &registration("book", "c", "one")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::TOO_MANY_REQUESTS, "too-many-instances"));
    assert!(answer.headers.contains_key("retry-after"));
    http.register("book", "b", "two").await;
    let mut large = registration("book", "a", "one");
    large["instance"]["zone"] = "z".repeat(1_000).into();
    let answer = http.post("/v1/register", &large).await;
    assert_eq!((answer.status, answer.problem().1.as_str()), (StatusCode::BAD_REQUEST, "instance"));
    let watch = http.watch("/v1/watch/services/book", None).await;
    let answer = http.get("/v1/watch/instances").await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::TOO_MANY_REQUESTS, "too-many-watchers"));
    drop(watch);
    sd_testkit::waiting::eventually("the place of a watch that has gone is free", async || {
        http.get("/v1/status").await.json()["watchers"] == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_above_its_rate_is_told_to_wait() {
    let limits = limits(|limits| limits.requests_per_second = 5);
    let (_centre, http) = spawn(Registry::builder().limits(limits)).await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = http.get("/v1/status").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.problem().0, "too-many-requests");
            refused += 1;
        }
    }
    assert!(refused > 0);
    sd_testkit::waiting::eventually("it may ask again", async || http.get("/v1/status").await.status == StatusCode::OK)
        .await;
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_others_go_on() {
    let limits = limits(|limits| limits.connections_per_client = 3);
    let (centre, http) = spawn(Registry::builder().limits(limits)).await;
    assert_eq!(http.get("/healthz").await.status, StatusCode::OK);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(centre.local_addr()).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    let mut fourth = tokio::net::TcpStream::connect(centre.local_addr()).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, fourth.read_to_end(&mut rest)).await.unwrap();
    assert!(read.is_err() || rest.is_empty(), "closed without a word");
    assert_eq!(http.get("/healthz").await.status, StatusCode::OK, "the connection that was there goes on");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (centre, http) = spawn(Registry::builder()).await;
    let mut silent = tokio::net::TcpStream::connect(centre.local_addr()).await.unwrap();
    silent.write_all(b"PRI * HT").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "half a greeting keeps no place for ever");
    assert_eq!(http.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn self_preservation_keeps_what_lapsed_at_once_and_says_so() {
    let (_centre, http) = spawn(Registry::builder()).await;
    for n in 0..40 {
        let mut body = registration("book", &format!("i{n:02}"), "one");
        body["ttl_ms"] = 1_000.into();
        assert!(http.post("/v1/register", &body).await.status.is_success());
    }
    sd_testkit::waiting::eventually("evictions stop", async || {
        http.get("/v1/status").await.json()["self_preservation"]["active"] == true
    })
    .await;
    let kept = http.ids("book").await.len();
    assert!(kept > 30, "{kept}: few were evicted before it was seen");
    let metrics = http.get("/metrics").await.text;
    assert!(metrics.contains("sd_registry_self_preservation 1"), "{metrics}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(http.ids("book").await.len(), kept);
    renew_all(&http).await;
    sd_testkit::waiting::eventually("it is over", async || {
        renew_all(&http).await;
        http.get("/v1/status").await.json()["self_preservation"]["active"] == false
    })
    .await;
}

async fn renew_all(http: &Http) {
    let ids = http.ids("book").await;
    let entries: Vec<_> = ids.iter().map(|id| json!({"service": "book", "id": id, "owner": "one"})).collect();
    http.post("/v1/renew", &json!({ "entries": entries })).await;
}
