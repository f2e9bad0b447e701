//! A front over another registry, over real sockets.

use std::sync::Arc;

use sd_core::{Address, Backend, Connection, Instance, MemoryRegistry, Registrar, Registration};
use sd_registry::Registry;
use serde_json::json;

use crate::common::{id_of, spawn};

fn connection(registry: &MemoryRegistry) -> Arc<Connection> {
    Arc::new(Connection::builder(Arc::new(registry.clone())).build().unwrap())
}

#[tokio::test]
async fn two_fronts_serve_the_same_registry_and_say_when_it_is_down() {
    let registry = MemoryRegistry::new();
    let (_one, first) = spawn(Registry::builder().store(connection(&registry) as Arc<dyn Backend>)).await;
    let (_two, second) = spawn(Registry::builder().store(connection(&registry))).await;
    assert_eq!(second.get("/v1/services/book").await.json()["instances"], json!([]));
    let mut watch = second.watch("/v1/watch/services/book", None).await;
    assert_eq!(watch.news().await.unwrap().data["instances"], json!([]));
    first.register("book", "a", "one").await;
    let put = watch.news().await.unwrap();
    assert_eq!((put.name.as_str(), id_of(&put.data)), ("put", "a"));
    assert_eq!(put.data["instance"]["owner"], "one");
    assert!(put.data.get("ttl_ms").is_none(), "its TTL is the other front's matter");
    let own = connection(&registry);
    let instance = Instance::new("127.0.0.1:81".parse::<Address>().unwrap());
    let native = own.register(Registration::new("other", instance)).await.unwrap();
    sd_testkit::waiting::eventually("all services are listed", async || {
        let listed = first.get("/v1/services").await.json();
        listed["services"] == json!([{"name": "book", "instances": 1}, {"name": "other", "instances": 1}])
    })
    .await;
    registry.set_down(true);
    let stale = watch.news().await.unwrap();
    assert_eq!(stale.name, "stale");
    assert!(stale.data["error"].as_str().unwrap().contains("taken down"), "{stale:?}");
    let list = second.get("/v1/services/book").await.json();
    assert_eq!(id_of(&list["instances"][0]), "a", "what was known stays");
    assert!(list["stale"]["error"].as_str().is_some());
    let answer = first.post("/v1/register", &crate::common::registration("book", "b", "one")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (503, "unavailable"));
    registry.set_down(false);
    assert_eq!(watch.news().await.unwrap().name, "live");
    drop(native);
}
