//! Bad input: each is refused, named, and changes nothing.

use http::{Method, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::common::{Http, centre, registration, spawn};

/// The path, the body, the problem's type, and the field that it names.
type Case = (&'static str, String, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let register = |instance: Value| json!({"service": "book", "instance": instance}).to_string();
    let with = |field: &str, value: Value| {
        let mut instance = json!({"address": "127.0.0.1:80"});
        instance[field] = value;
        register(instance)
    };
    let path = "/v1/register";
    vec![
        (path, String::new(), "malformed", ""),
        (path, "{".to_owned(), "malformed", ""),
        (path, "\u{0}".to_owned(), "malformed", ""),
        (path, r#"{"service":"book"} {}"#.to_owned(), "invalid", "instance"),
        (path, format!("{}x", registration("book", "a", "one")), "malformed", ""),
        (path, "[".repeat(100_000), "invalid", ""),
        (path, format!(r#"{{"service":{}"#, "[".repeat(100_000)), "invalid", "service"),
        (path, r#"["book",{"address":"h:1"}]"#.to_owned(), "invalid", ""),
        (path, r#"{"service":"book","instance":[1,"a","h:1"]}"#.to_owned(), "invalid", "instance"),
        ("/v1/renew", r#"{"entries":[["book","a","one"]]}"#.to_owned(), "invalid", "entries[0]"),
        (path, "[]".to_owned(), "invalid", ""),
        (path, "null".to_owned(), "invalid", ""),
        (path, "{}".to_owned(), "invalid", "service"),
        (path, r#"{"service":"book"}"#.to_owned(), "invalid", "instance"),
        (path, r#"{"service":"book","instance":{}}"#.to_owned(), "invalid", "instance.address"),
        (path, r#"{"service":"book","servicee":1}"#.to_owned(), "unknown-field", "servicee"),
        (path, with("adress", json!("x")), "unknown-field", "instance.adress"),
        (path, with("weight", json!("heavy")), "invalid", "instance.weight"),
        (path, with("weight", json!(-1)), "invalid", "instance.weight"),
        (path, with("weight", json!(65_536)), "invalid", "instance.weight"),
        (path, with("weight", json!(1e30)), "invalid", "instance.weight"),
        (path, with("weight", json!(null)), "invalid", "instance.weight"),
        (path, with("health", json!("resting")), "invalid", "instance.health"),
        (path, with("v", json!(0)), "invalid", "instance.v"),
        (path, with("id", json!("")), "invalid", "instance.id"),
        (path, with("id", json!("a/b")), "invalid", "instance.id"),
        (path, with("id", json!("a\nb")), "invalid", "instance.id"),
        (path, with("id", json!("x".repeat(257))), "invalid", "instance.id"),
        (path, with("address", json!("book")), "invalid", "instance.address"),
        (path, with("address", json!(format!("http://h/{}", "x".repeat(1_024)))), "invalid", "instance.address"),
        (path, with("address", json!("h:0")), "invalid", "instance.address"),
        (path, with("address", json!("http://u:hunter2@h/")), "invalid", "instance.address"),
        (path, with("tags", json!(["", "v1"])), "invalid", "instance.tags"),
        (path, with("tags", json!([1])), "invalid", "instance.tags[0]"),
        (path, with("metadata", json!({"": "x"})), "invalid", "instance.metadata"),
        (path, with("metadata", json!({"a": 1})), "invalid", "instance.metadata.a"),
        (path, with("ports", json!({"m": 0})), "invalid", "instance.ports"),
        (path, with("ports", json!({"m": 70_000})), "invalid", "instance.ports.m"),
        (path, with("owner", json!("a b")), "invalid", "instance.owner"),
        (path, with("owner", json!("x".repeat(65))), "invalid", "instance.owner"),
        (path, r#"{"service":"a/b","instance":{"address":"h:1"}}"#.to_owned(), "invalid", "service"),
        (path, r#"{"service":"a","service":"b","instance":{"address":"h:1"}}"#.to_owned(), "invalid", "service"),
        (path, json!({"service": "x".repeat(129), "instance": {"address": "h:1"}}).to_string(), "invalid", "service"),
        (path, r#"{"service":"a","instance":{"address":"h:1"},"ttl_ms":999}"#.to_owned(), "invalid", "ttl_ms"),
        (path, r#"{"service":"a","instance":{"address":"h:1"},"ttl_ms":86400001}"#.to_owned(), "invalid", "ttl_ms"),
        (path, r#"{"service":"a","instance":{"address":"h:1"},"prior":"yes"}"#.to_owned(), "invalid", "prior"),
        ("/v1/update", registration("book", "a", "").to_string(), "invalid", "instance.owner"),
        ("/v1/update", r#"{"service":"a","instance":{"address":"h:1"}}"#.to_owned(), "invalid", "instance.owner"),
        (
            "/v1/update",
            r#"{"service":"a","instance":{"address":"h:1"},"ttl_ms":1}"#.to_owned(),
            "unknown-field",
            "ttl_ms",
        ),
        ("/v1/renew", r#"{"entries":[]}"#.to_owned(), "invalid", "entries"),
        (
            "/v1/renew",
            r#"{"entries":[{"service":"a","id":"b","owner":"c"},{"service":"a","id":"/","owner":"c"}]}"#.to_owned(),
            "invalid",
            "entries[1].id",
        ),
        ("/v1/renew", r#"{"entries":[{"service":"a","id":"b"}]}"#.to_owned(), "invalid", "entries[0].owner"),
        (
            "/v1/renew",
            json!({"entries": vec![json!({"service":"a","id":"b","owner":"c"}); 10_001]}).to_string(),
            "invalid",
            "entries",
        ),
        ("/v1/deregister", r#"{"service":"a","id":"b","force":true}"#.to_owned(), "unknown-field", "force"),
        ("/v1/drain", r#"{"service":"a","id":7}"#.to_owned(), "invalid", "id"),
    ]
}

#[tokio::test]
async fn every_wrong_body_is_refused_with_the_field_and_changes_nothing() {
    let (_centre, http) = centre().await;
    for (path, body, kind, field) in cases() {
        let shown: String = body.chars().take(200).collect();
        let answer = http.post_text(path, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {shown}: {answer:?}");
        assert_eq!(answer.problem(), (kind.to_owned(), field.to_owned()), "{path} {shown}: {answer:?}");
        assert!(!answer.text.contains("hunter2"), "{answer:?}");
    }
    let status = http.get("/v1/status").await.json();
    assert_eq!((&status["revision"], &status["instances"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn unknown_paths_methods_types_and_queries_are_told_apart() {
    let (_centre, http) = centre().await;
    let plain = |method: Method, path: &str| http.request(method, path).body(Full::default()).unwrap();
    let answer = http.send(plain(Method::GET, "/v1/nothing")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::NOT_FOUND, "not-found"));
    for (method, path, allow) in [
        (Method::GET, "/v1/register", "POST"),
        (Method::DELETE, "/v1/services/book", "GET, HEAD"),
        (Method::PUT, "/healthz", "GET, HEAD"),
        (Method::POST, "/metrics", "GET, HEAD"),
    ] {
        let answer = http.send(plain(method, path)).await;
        assert_eq!(
            (answer.status, answer.problem().0.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed")
        );
        assert_eq!(answer.headers["allow"], allow, "{path}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = http.request(Method::POST, "/v1/register").header("content-type", kind);
        let body = registration("book", "a", "one").to_string();
        let answer = http.send(request.body(Full::new(body.into())).unwrap()).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"));
    }
    for (path, kind, field) in [
        ("/v1/services?limit=3", "unknown-field", "limit"),
        ("/v1/services/book?od=3", "unknown-field", "od"),
        ("/v1/services/a%20b", "invalid", "service"),
        ("/v1/services/%ff", "invalid", "service"),
        ("/v1/services/book?id=", "invalid", "id"),
        ("/v1/watch/instances?revision=x", "invalid", ""),
        ("/v1/watch/instances?epoch=x&revision=1", "invalid", "epoch"),
    ] {
        let answer = http.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer:?}");
        assert_eq!(answer.problem(), (kind.to_owned(), field.to_owned()), "{path}: {answer:?}");
    }
    let request = http.request(Method::GET, "/v1/watch/instances").header("last-event-id", "yesterday");
    let answer = http.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.problem(), ("invalid".to_owned(), "last-event-id".to_owned()));
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large_whether_it_says_so_or_not() {
    let limits = {
        let mut limits = sd_registry::Limits::default();
        limits.body_bytes = 10_000;
        limits
    };
    let (_centre, http) = spawn(sd_registry::Registry::builder().limits(limits)).await;
    let mut body = registration("book", "a", "one");
    body["instance"]["metadata"] = json!({ "padding": "x".repeat(20_000) });
    let answer = http.post("/v1/register", &body).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    let status = chunked(&http, &body.to_string()).await;
    assert!(status.starts_with("HTTP/1.1 413 "), "{status}");
}

/// Sends a body whose length nobody says before; answers the status line.
async fn chunked(http: &Http, body: &str) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let mut stream = tokio::net::TcpStream::connect(http.authority()).await.unwrap();
    let head = "POST /v1/register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn a_web_page_under_a_name_of_its_own_gets_nothing_from_a_centre_on_loopback() {
    let (_centre, http) = centre().await;
    for (host, status) in [
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost:7070", StatusCode::OK),
        ("127.0.0.1", StatusCode::OK),
        ("[::1]:7070", StatusCode::OK),
    ] {
        let request = http.request(Method::GET, "/v1/services").header("host", host);
        let answer = http.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}
