//! What is told beside the registrations themselves: since when, how long yet, what happened, who asks.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::Full;
use sd_core::{Address, Connection, Instance, MemoryRegistry, Registrar, Registration};
use sd_registry::Registry;
use sd_testkit::waiting::eventually;
use serde_json::{Value, json};

use crate::common::{Folder, Http, centre, registration, spawn};

async fn entry(http: &Http, id: &str) -> Value {
    http.get(&format!("/v1/services/book?id={id}")).await.json()["instances"][0].clone()
}

async fn since(http: &Http, id: &str) -> u64 {
    entry(http, id).await["registered_at_ms"].as_u64().unwrap()
}

async fn now(http: &Http) -> u64 {
    http.get("/v1/status").await.json()["now_ms"].as_u64().unwrap()
}

/// `what` and `id` of recent events, the newest first.
async fn recent(http: &Http, query: &str) -> Vec<(String, String)> {
    let answer = http.get(&format!("/v1/recent{query}")).await.json();
    let told = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    answer["events"].as_array().unwrap().iter().map(|event| (told(event, "what"), told(event, "id"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(what, id)| ((*what).to_owned(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn an_entry_tells_since_when_its_owner_holds_it_and_a_restart_keeps_that() {
    let folder = Folder::new("since");
    let (centre, http) = spawn(Registry::builder().data(&folder.0)).await;
    let before = now(&http).await;
    http.register("book", "a", "one").await;
    let first = since(&http, "a").await;
    assert!((before..=now(&http).await).contains(&first));
    eventually("time passes", async || now(&http).await > first).await;
    http.post("/v1/drain", &json!({"service": "book", "id": "a"})).await;
    assert_eq!(since(&http, "a").await, first, "a change is no new registration");
    centre.shutdown().await.unwrap();
    let (_centre, http) = spawn(Registry::builder().data(&folder.0)).await;
    assert_eq!(since(&http, "a").await, first);
    let mut watch = http.watch("/v1/watch/services/book", None).await;
    assert_eq!(watch.next().await.unwrap().data["instances"][0]["registered_at_ms"], first, "events tell it, too");
    http.register("book", "a", "two").await;
    assert!(since(&http, "a").await > first, "another owner holds it since later");
}

#[tokio::test]
async fn leases_are_told_in_the_order_asked() {
    let (_centre, http) = centre().await;
    http.register("book", "a", "one").await;
    let asked = |ids: &[&str]| {
        let entries: Vec<_> = ids.iter().map(|id| json!({"service": "book", "id": id})).collect();
        json!({ "entries": entries })
    };
    let answer = http.post("/v1/leases", &asked(&["none", "a"])).await.json();
    let [none, left] = &answer["expires_in_ms"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert!(none.is_null());
    assert!((1..=10_000).contains(&left.as_u64().unwrap()), "{answer}");
    let many = vec!["a"; 1_001];
    for (body, field) in [
        (asked(&[]), "entries"),
        (asked(&many), "entries"),
        (asked(&["a", "b/c"]), "entries[1].id"),
        (json!({"entries": [{"service": "no/name", "id": "a"}]}), "entries[0].service"),
        (json!({"entries": [{"service": "book", "id": "a", "owner": "one"}]}), "entries[0].owner"),
    ] {
        let answer = http.post("/v1/leases", &body).await;
        assert_eq!((answer.status, answer.problem().1.as_str()), (StatusCode::BAD_REQUEST, field));
    }
}

#[tokio::test]
async fn what_happened_is_told_newest_first_and_from_a_revision_on() {
    let (_centre, http) = centre().await;
    assert_eq!(recent(&http, "").await, []);
    http.register("book", "a", "one").await;
    http.register("book", "a", "two").await;
    http.post("/v1/drain", &json!({"service": "book", "id": "a"})).await;
    let mut short = registration("book", "b", "one");
    short["ttl_ms"] = json!(1_000);
    let revision = http.post("/v1/register", &short).await.json()["revision"].as_u64().unwrap();
    http.post("/v1/deregister", &json!({"service": "book", "id": "a"})).await;
    eventually("the other expires", async || recent(&http, "").await.len() == 6).await;
    let expected = [
        ("expired", "b"),
        ("deregistered", "a"),
        ("registered", "b"),
        ("changed", "a"),
        ("taken-over", "a"),
        ("registered", "a"),
    ];
    assert_eq!(recent(&http, "").await, pairs(&expected));
    assert_eq!(recent(&http, &format!("?after={revision}")).await, pairs(&expected[..2]));
    let all = http.get("/v1/recent").await.json();
    assert_eq!((&all["events"][3]["health"], &all["events"][0]["health"]), (&json!("draining"), &Value::Null));
    assert!(all["events"][0]["at_ms"].as_u64().unwrap() <= now(&http).await);
    for id in 0..150 {
        http.register("book", &id.to_string(), "one").await;
    }
    let newest = recent(&http, "").await;
    assert_eq!((newest.len(), newest[0].1.as_str()), (100, "149"), "no more than a hundred");
    assert_eq!(http.get("/v1/recent?before=3").await.problem(), ("unknown-field".to_owned(), "before".to_owned()));
}

#[tokio::test]
async fn what_a_front_finds_is_no_news_and_what_comes_then_is() {
    let registry = MemoryRegistry::new();
    let connect = || Arc::new(Connection::builder(Arc::new(registry.clone())).build().unwrap());
    let own = connect();
    let registered = async |port: u16| {
        let instance = Instance::new(format!("127.0.0.1:{port}").parse::<Address>().unwrap());
        own.register(Registration::new("book", instance)).await.unwrap()
    };
    let _there = registered(81).await;
    let (_front, http) = spawn(Registry::builder().store(connect())).await;
    let mut watch = http.watch("/v1/watch/instances", None).await;
    assert_eq!(watch.next().await.unwrap().data["instances"].as_array().unwrap().len(), 1);
    assert_eq!(recent(&http, "").await, []);
    let later = registered(82).await;
    assert_eq!(watch.news().await.unwrap().name, "put");
    assert_eq!(recent(&http, "").await, pairs(&[("registered", "127.0.0.1:82")]));
    drop(later);
    assert_eq!(watch.news().await.unwrap().name, "remove");
    assert_eq!(recent(&http, "").await[0], ("gone".to_owned(), "127.0.0.1:82".to_owned()));
}

#[tokio::test]
async fn a_caller_is_told_what_it_may_do_and_of_others_services_nothing() {
    let folder = Folder::new("insight");
    let file = folder.0.join("tokens.json");
    let [ops, books] = ["ops-token-0123456789", "books-token-0123456789"];
    let tokens = json!({"tokens": [
        {"name": "ops", "token": ops, "read": ["*"], "write": ["*"]},
        {"name": "books", "token": books, "read": ["book*", "shelf"], "write": ["book"]},
    ]});
    std::fs::write(&file, tokens.to_string()).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file).heartbeat(Duration::from_millis(100))).await;
    let (ops, books) = (http.with_token(ops), http.with_token(books));
    let caller = books.get("/v1/status").await.json()["caller"].clone();
    assert_eq!(caller, json!({"name": "books", "read": ["book*", "shelf"], "write": ["book"]}));
    ops.register("other", "a", "one").await;
    ops.register("book", "b", "one").await;
    assert_eq!(recent(&books, "").await, pairs(&[("registered", "b")]));
    let ask = |service: &str| json!({"entries": [{"service": service, "id": "a"}]});
    assert_eq!(books.post("/v1/leases", &ask("book")).await.status, StatusCode::OK);
    assert_eq!(books.post("/v1/leases", &ask("other")).await.status, StatusCode::FORBIDDEN);
    let (_open, open) = centre().await;
    let caller = open.get("/v1/status").await.json()["caller"].clone();
    assert_eq!(caller, json!({"name": null, "read": ["*"], "write": ["*"]}));
}

#[tokio::test]
async fn the_pages_files_come_without_a_token_and_with_a_strict_policy() {
    let folder = Folder::new("page");
    let file = folder.0.join("tokens.json");
    std::fs::write(&file, r#"{"tokens": []}"#).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file)).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page/app.js", "text/javascript; charset=utf-8"),
        ("/page/style.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let answer = http.get(path).await;
        assert_eq!(
            (answer.status, &answer.headers["content-type"]),
            (StatusCode::OK, &kind.parse().unwrap()),
            "{path}"
        );
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-cache");
        let request = http.request(Method::GET, path).header("if-none-match", &answer.headers["etag"]);
        let again = http.send(request.body(Full::default()).unwrap()).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
    }
    assert_eq!(http.get("/page/none.js").await.problem().0, "not-found");
    assert_eq!(http.get("/page/..%2F..%2Flib.rs").await.problem().0, "not-found");
    assert_eq!(http.post("/", &json!({})).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
