//! The acts of the HTTP API, over real sockets.

use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{Http, centre, registration};

async fn renew(http: &Http, entries: &[(&str, &str)]) -> Vec<String> {
    let entries: Vec<_> =
        entries.iter().map(|(id, owner)| json!({"service": "book", "id": id, "owner": owner})).collect();
    let answer = http.post("/v1/renew", &json!({ "entries": entries })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["results"].as_array().unwrap().iter().map(|result| result.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_instance_is_registered_listed_renewed_updated_and_deregistered() {
    let (_centre, http) = centre().await;
    let answer = http.post("/v1/register", &registration("book", "a", "one")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let registered = answer.json();
    assert_eq!(registered["ttl_ms"], 10_000);
    assert_eq!((&registered["id"], &registered["owner"]), (&json!("a"), &json!("one")));
    let services = http.get("/v1/services").await.json();
    assert_eq!(services["services"], json!([{"name": "book", "instances": 1}]));
    let list = http.get("/v1/services/book").await.json();
    assert_eq!(list["epoch"], services["epoch"]);
    let entry = &list["instances"][0];
    assert_eq!(entry["instance"], json!({"v": 1, "id": "a", "address": "127.0.0.1:50052", "owner": "one"}));
    assert_eq!(entry["revision"], registered["revision"]);
    assert!(entry["expires_in_ms"].as_u64().unwrap() <= 10_000);
    assert_eq!(renew(&http, &[("a", "one"), ("a", "two"), ("b", "one")]).await, ["ok", "superseded", "gone"]);
    let weightier =
        json!({"service": "book", "instance": {"id": "a", "address": "127.0.0.1:50052", "owner": "one", "weight": 7}});
    let revision = http.post("/v1/update", &weightier).await.json()["revision"].as_u64().unwrap();
    assert!(revision > registered["revision"].as_u64().unwrap());
    let list = http.get("/v1/services/book?id=a").await.json();
    assert_eq!(list["instances"][0]["instance"]["weight"], 7);
    let gone = http.post("/v1/deregister", &json!({"service": "book", "id": "a", "owner": "one"})).await.json();
    assert_eq!(gone["removed"], true);
    assert!(http.ids("book").await.is_empty());
    assert_eq!(http.get("/v1/services").await.json()["services"], json!([]));
    let again = http.post("/v1/deregister", &json!({"service": "book", "id": "a", "owner": "one"})).await.json();
    assert_eq!(again["removed"], false, "a success all the same");
}

#[tokio::test]
async fn an_owner_is_made_where_none_is_sent_and_the_id_is_the_address_by_default() {
    let (_centre, http) = centre().await;
    let body = json!({"service": "book", "instance": {"address": "[::1]:80"}, "ttl_ms": 5000});
    let registered = http.post("/v1/register", &body).await.json();
    assert_eq!((&registered["id"], &registered["ttl_ms"]), (&json!("[::1]:80"), &json!(5000)));
    let owner = registered["owner"].as_str().unwrap();
    assert_eq!(renew(&http, &[("[::1]:80", owner)]).await, ["ok"]);
    let other = http.post("/v1/register", &body).await.json();
    assert_ne!(other["owner"], owner);
    assert_eq!(other["took_over"], true);
}

#[tokio::test]
async fn any_id_that_core_allows_comes_back_as_it_was() {
    let (_centre, http) = centre().await;
    for id in
        ["a b", "50%", "%2e%2e", "..", ".", "#?&=+", "знать", "\"quoted\\\"", "<script>", "\u{1F600}", &"x".repeat(256)]
    {
        let answer = http.post("/v1/register", &registration("odd", id, "one")).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.json()["id"], *id);
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let list = http.get(&format!("/v1/services/odd?id={encoded}")).await.json();
        assert_eq!(list["instances"][0]["instance"]["id"], *id);
        let gone = http.post("/v1/deregister", &json!({"service": "odd", "id": id, "owner": "one"})).await.json();
        assert_eq!(gone["removed"], true, "{id:?}");
    }
}

#[tokio::test]
async fn the_newest_registrant_wins_unless_it_says_that_it_is_the_older() {
    let (_centre, http) = centre().await;
    http.register("book", "a", "old").await;
    assert_eq!(http.register("book", "a", "new").await["took_over"], true);
    assert_eq!(renew(&http, &[("a", "old"), ("a", "new")]).await, ["superseded", "ok"]);
    let mut prior = registration("book", "a", "old");
    prior["prior"] = true.into();
    let answer = http.post("/v1/register", &prior).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::CONFLICT, "superseded"));
    let update = json!({"service": "book", "instance": registration("book", "a", "old")["instance"]});
    let answer = http.post("/v1/update", &update).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::CONFLICT, "superseded"));
    let left = http.post("/v1/deregister", &json!({"service": "book", "id": "a", "owner": "old"})).await.json();
    assert_eq!(left["removed"], false);
    assert_eq!(http.get("/v1/services/book").await.json()["instances"][0]["instance"]["owner"], "new");
}

#[tokio::test]
async fn an_unknown_instance_is_not_found_and_a_drained_one_is_draining() {
    let (_centre, http) = centre().await;
    let there = json!({"service": "book", "id": "a"});
    for path in ["/v1/drain", "/v1/deregister"] {
        let answer = http.post(path, &there).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::NOT_FOUND, "not-found"), "{path}");
    }
    let answer = http
        .post("/v1/update", &json!({"service": "book", "instance": registration("book", "a", "x")["instance"]}))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(http.get("/v1/services/book?id=a").await.status, StatusCode::NOT_FOUND);
    http.register("book", "a", "one").await;
    assert_eq!(http.post("/v1/drain", &there).await.status, StatusCode::OK);
    assert_eq!(http.get("/v1/services/book").await.json()["instances"][0]["instance"]["health"], "draining");
    assert_eq!(http.post("/v1/deregister", &there).await.json()["removed"], true);
}

#[tokio::test]
async fn ten_thousand_are_renewed_by_one_request() {
    let (_centre, http) = centre().await;
    let entries: Vec<Value> =
        (0..10_000).map(|n| json!({"service": "book", "id": format!("i{n}"), "owner": "one"})).collect();
    http.register("book", "i9999", "one").await;
    let answer = http.post("/v1/renew", &json!({ "entries": entries })).await.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 10_000);
    assert_eq!((&results[0], &results[9_999]), (&json!("gone"), &json!("ok")));
}

#[tokio::test]
async fn health_readiness_status_metrics_and_the_document_are_served() {
    let (_centre, http) = centre().await;
    http.register("book", "a", "one").await;
    assert_eq!(http.get("/healthz").await.text, "ok\n");
    assert_eq!(http.get("/readyz").await.text, "ready\n");
    let status = http.get("/v1/status").await.json();
    assert_eq!((&status["instances"], &status["store"]["kind"]), (&json!(1), &json!("memory")));
    assert_eq!(status["self_preservation"]["active"], false);
    let metrics = http.get("/metrics").await.text;
    for line in ["sd_registry_instances 1", "sd_registry_registrations_total 1", "sd_registry_self_preservation 0"] {
        assert!(metrics.lines().any(|l| l == line), "{line}: {metrics}");
    }
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert_eq!(http.get("/v1/openapi.json").await.json()["openapi"], "3.1.0");
}
