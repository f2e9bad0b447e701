//! Who registers by TTL is pushed, and who posts is seen by watchers.

use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::common::{centre, id_of};
use crate::program::{Program, deregister};

#[tokio::test]
async fn registered_by_ttl_is_pushed_and_posted_is_watched() {
    let (_centre, http) = centre().await;
    let grading = Program::start().await;
    grading.registered(&http, "GradingService", &["LogService", "book"]).await;
    let mut events = http.watch("/v1/watch/services/LogService", None).await;
    assert_eq!(events.news().await.unwrap().name, "snapshot");

    http.register("book", "b1", "o1").await;
    grading.knows("an address as a URL", &[("book", "http://127.0.0.1:50052")]).await;
    let with_url =
        json!({"service": "book", "instance": {"id": "b2", "address": "http://127.0.0.1:9/x", "owner": "o2"}});
    assert_eq!(http.post("/v1/register", &with_url).await.status, 201);
    let both = [("book", "http://127.0.0.1:50052"), ("book", "http://127.0.0.1:9/x")];
    grading.knows("a URL as it was registered", &both).await;
    assert_eq!(http.post("/v1/drain", &json!({"service": "book", "id": "b1"})).await.status, 200);
    grading.knows("who drains is called no more", &both[1..]).await;

    let log = Program::start().await;
    log.registered(&http, "LogService", &[]).await;
    let put = events.news().await.unwrap();
    assert_eq!((put.name.as_str(), put.data["instance"]["address"].as_str()), ("put", Some(log.url.as_str())));
    assert_eq!(id_of(&put.data), log.url.strip_prefix("http://").unwrap());
    assert_eq!(deregister(&http, &log.url).await, 200);
    let removed = events.news().await.unwrap();
    assert_eq!((removed.name.as_str(), removed.data["reason"].as_str()), ("remove", Some("deregistered")));
}

#[tokio::test]
async fn services_stands_outside_the_document() {
    let (_centre, http) = centre().await;
    let document = http.get("/v1/openapi.json").await.json();
    assert!(document["paths"]["/services"].is_null());
    let metrics = http.send(http.request(Method::GET, "/metrics").body(Full::default()).unwrap()).await.text;
    assert!(metrics.contains("sd_registry_push_members 0"), "{metrics}");
}

#[tokio::test]
async fn both_loopbacks_are_one_centre() {
    let any: std::net::SocketAddr = "[::1]:0".parse().unwrap();
    let (centre, http) = crate::common::spawn(sd_registry::Registry::builder().also_listen(any)).await;
    let other = format!("http://[::1]:{}", centre.local_addr().port());
    let log = Program::start().await;
    if tokio::net::TcpListener::bind(any).await.is_err() {
        // A host without IPv6: the centre runs all the same.
        log.registered(&http, "LogService", &[]).await;
        return;
    }
    log.registered(&crate::common::Http::to(other), "LogService", &[]).await;
    assert_eq!(http.ids("LogService").await.len(), 1);
    centre.shutdown().await.unwrap();
}
