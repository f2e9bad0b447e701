//! Tokens: who may do what, and when that changes.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::Full;
use sd_registry::{Centre, Registry};
use serde_json::json;

use crate::common::{Folder, Http, registration, spawn};

const OPS: &str = "ops-token-0123456789";
const BOOKS: &str = "books-token-0123456789";
const READER: &str = "reader-token-0123456789";

fn tokens() -> String {
    json!({"tokens": [
        {"name": "ops", "token": OPS, "read": ["*"], "write": ["*"]},
        {"name": "books", "token": BOOKS, "read": ["book*"], "write": ["book*"]},
        {"name": "reader", "token": READER, "read": ["*"]},
    ]})
    .to_string()
}

async fn guarded(name: &str) -> (Folder, Centre, Http) {
    let folder = Folder::new(name);
    let file = folder.0.join("tokens.json");
    std::fs::write(&file, tokens()).unwrap();
    let (centre, http) = spawn(Registry::builder().tokens(&file).heartbeat(Duration::from_millis(100))).await;
    (folder, centre, http)
}

#[tokio::test]
async fn without_a_token_or_with_an_unknown_one_nothing_of_the_api_answers() {
    let (_folder, _centre, http) = guarded("none").await;
    let acts = ["/v1/register", "/v1/renew", "/v1/update", "/v1/deregister", "/v1/drain", "/v1/leases"];
    let reads = [
        "/v1/services",
        "/v1/services/book",
        "/v1/watch/services",
        "/v1/watch/services/book",
        "/v1/watch/instances",
        "/v1/requirements",
        "/v1/recent",
        "/v1/status",
        "/v1/openapi.json",
        "/metrics",
    ];
    let routes = acts.map(|path| (Method::POST, path)).into_iter().chain(reads.map(|path| (Method::GET, path)));
    for (method, path) in routes {
        for http in [http.clone(), http.with_token("an-unknown-token-0123"), http.with_token("")] {
            let request = http.request(method.clone(), path).header("content-type", "application/json");
            let answer = http.send(request.body(Full::new("{}".into())).unwrap()).await;
            assert_eq!(
                (answer.status, answer.problem().0.as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{path}"
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(http.get("/healthz").await.status, StatusCode::OK, "whoever starts it has no token");
    assert_eq!(http.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn rights_hold_per_service_for_acts_and_reads() {
    let (_folder, _centre, http) = guarded("rights").await;
    let (ops, books, reader) = (http.with_token(OPS), http.with_token(BOOKS), http.with_token(READER));
    ops.register("other", "a", "one").await;
    books.register("bookstore", "a", "one").await;
    let id = json!({"service": "other", "id": "a"});
    let renewal = json!({"entries": [
        {"service": "bookstore", "id": "a", "owner": "one"},
        {"service": "other", "id": "a", "owner": "one"},
    ]});
    for (who, path, body) in [
        (&books, "/v1/register", registration("other", "a", "two")),
        (&books, "/v1/update", registration("other", "a", "two")),
        (&books, "/v1/drain", id.clone()),
        (&books, "/v1/deregister", id.clone()),
        (&books, "/v1/renew", renewal),
        (&reader, "/v1/register", registration("book", "a", "two")),
        (&reader, "/v1/deregister", id),
    ] {
        let answer = who.post(path, &body).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{path}");
        assert!(![OPS, BOOKS, READER].iter().any(|token| answer.text.contains(token)));
    }
    for path in ["/v1/services/other", "/v1/watch/services/other"] {
        assert_eq!(books.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let names = |answer: serde_json::Value| {
        let services = answer["services"].as_array().unwrap().clone();
        services.into_iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(books.get("/v1/services").await.json()), ["bookstore"]);
    assert_eq!(names(reader.get("/v1/services").await.json()), ["bookstore", "other"]);
}

#[tokio::test]
async fn a_watch_of_all_shows_what_may_be_read_and_no_more() {
    let (_folder, _centre, http) = guarded("watch").await;
    let (ops, books) = (http.with_token(OPS), http.with_token(BOOKS));
    ops.register("other", "a", "one").await;
    let mut instances = books.watch("/v1/watch/instances", None).await;
    let mut names = books.watch("/v1/watch/services", None).await;
    assert_eq!(instances.next().await.unwrap().data["instances"], json!([]));
    assert_eq!(names.next().await.unwrap().data["services"], json!([]));
    ops.register("another", "a", "one").await;
    ops.register("book", "a", "one").await;
    assert_eq!(instances.news().await.unwrap().data["service"], "book");
    assert_eq!(names.news().await.unwrap().data["service"], "book");
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_its_watches_and_a_new_one_works() {
    let (folder, _centre, http) = guarded("revoked").await;
    let mut watch = http.with_token(BOOKS).watch("/v1/watch/services/book", None).await;
    assert_eq!(watch.next().await.unwrap().name, "snapshot");
    let new = "new-token-0123456789";
    let replaced = json!({"tokens": [{"name": "new", "token": new, "read": ["*"]}]}).to_string();
    std::fs::write(folder.0.join("tokens.json"), replaced).unwrap();
    assert_eq!(watch.news().await, None);
    assert_eq!(http.with_token(BOOKS).get("/v1/services").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(http.with_token(new).get("/v1/services").await.status, StatusCode::OK);
}

#[tokio::test]
async fn rights_that_change_begin_a_watch_of_many_anew_and_nothing_is_resumed_with_other_eyes() {
    let (folder, _centre, http) = guarded("changed").await;
    let ops = http.with_token(OPS);
    ops.register("book", "a", "one").await;
    ops.register("other", "a", "one").await;
    let books = http.with_token(BOOKS);
    let mut watch = books.watch("/v1/watch/instances", None).await;
    let narrow = watch.next().await.unwrap();
    assert_eq!(narrow.data["instances"].as_array().unwrap().len(), 1);
    let at = narrow.id.unwrap();
    let mut again = books.watch("/v1/watch/instances", Some(&at)).await;
    assert_eq!(again.next().await.unwrap().name, "resumed", "the same eyes");
    let mut wider: serde_json::Value = serde_json::from_str(&tokens()).unwrap();
    wider["tokens"][1]["read"] = json!(["*"]);
    std::fs::write(folder.0.join("tokens.json"), wider.to_string()).unwrap();
    let snapshot = watch.news().await.unwrap();
    assert_eq!((snapshot.name.as_str(), snapshot.data["instances"].as_array().unwrap().len()), ("snapshot", 2));
    let mut again = books.watch("/v1/watch/instances", Some(&at)).await;
    assert_eq!(again.next().await.unwrap().name, "snapshot", "other eyes");
}
