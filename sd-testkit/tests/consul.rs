//! The harness itself: the Consul agents that it starts come up, die, forget and are gone.

use std::time::Duration;

use sd_testkit::consul::{ConsulOptions, ConsulServer};
use sd_testkit::waiting::eventually;

async fn knows(server: &ConsulServer, service: &str) -> bool {
    !server.gateway().health(service).await.is_empty()
}

#[tokio::test]
async fn an_agent_keeps_its_data_over_a_restart_and_forgets_it_when_told() {
    let Some(server) = ConsulServer::start("an_agent_keeps_its_data").await else { return };
    let gateway = server.gateway();
    gateway.register_plain("web", "web: a/b%#?ж", "127.0.0.1", 80).await;
    assert!(knows(&server, "web").await);
    server.restart().await;
    assert!(knows(&server, "web").await && gateway.agent_service("web: a/b%#?ж").await.is_some());
    assert!(gateway.expire("web", "web: a/b%#?ж").await && !gateway.expire("web", "web: a/b%#?ж").await);
    assert!(!knows(&server, "web").await);
    gateway.register_plain("web", "w", "127.0.0.1", 80).await;
    server.restart_empty().await;
    assert!(!knows(&server, "web").await && gateway.agent_service("w").await.is_none());
    let address = server.address();
    drop(server);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it outlived its owner");
}

#[tokio::test]
async fn an_agent_in_memory_knows_its_own_registrations_after_a_restart() {
    let options = ConsulOptions::new().in_memory();
    let Some(server) = ConsulServer::start_with("an_agent_in_memory", options).await else { return };
    server.gateway().register_plain("web", "w", "127.0.0.1", 80).await;
    server.restart().await;
    eventually("synced again", async || knows(&server, "web").await).await;
    server.restart_empty().await;
    assert!(server.gateway().agent_service("w").await.is_none());
}

#[tokio::test]
async fn an_agent_stands_still_and_goes_on() {
    let options = ConsulOptions::new().in_memory();
    let Some(server) = ConsulServer::start_with("an_agent_stands_still", options).await else { return };
    server.pause();
    let gateway = server.gateway();
    let asked = tokio::spawn(async move { gateway.register_plain("web", "w", "127.0.0.1", 80).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    server.resume();
    asked.await.unwrap();
    server.pause();
    // Dropped while it stands still.
}

#[tokio::test]
async fn tokens_are_asked_for_and_their_rights_are_what_their_rules_say() {
    let options = ConsulOptions::new().in_memory().acl("5f2ef1dd-9c6d-4b6e-8a2c-6f3b1f0a7c11");
    let Some(server) = ConsulServer::start_with("tokens_are_asked_for", options).await else { return };
    let gateway = server.gateway();
    let secret = gateway.make_token("web", "service \"web\" { policy = \"write\" }").await;
    let of = |token: Option<&str>| sd_testkit::consul::ConsulGateway::new(server.address(), token);
    let register = |name: &str| serde_json::json!({ "Name": name, "Port": 80 });
    let path = "/v1/agent/service/register";
    assert_eq!(of(None).call("PUT", path, Some(register("web"))).await.unwrap().0, 403);
    assert_eq!(of(Some(&secret)).call("PUT", path, Some(register("web"))).await.unwrap().0, 200);
    assert_eq!(of(Some(&secret)).call("PUT", path, Some(register("other"))).await.unwrap().0, 403);
    gateway.change_rules("web", "service \"web\" { policy = \"read\" }").await;
    assert_eq!(of(Some(&secret)).call("PUT", path, Some(register("web"))).await.unwrap().0, 403);
    gateway.delete_token(&secret).await;
    assert_eq!(of(Some(&secret)).call("GET", "/v1/agent/services", None).await.unwrap().0, 403);
}

#[tokio::test]
async fn a_client_agent_shares_its_servers_catalog() {
    let test = "a_client_agent_shares_its_servers_catalog";
    let Some(server) = ConsulServer::start(test).await else { return };
    let client = ConsulServer::start_with(test, ConsulOptions::new().client_of(&server)).await.unwrap();
    client.gateway().register_plain("web", "w", "127.0.0.1", 80).await;
    assert!(knows(&server, "web").await);
    assert!(server.gateway().agent_service("w").await.is_none());
    assert_ne!(server.node(), client.node());
}

#[tokio::test]
async fn two_data_centres_see_each_other() {
    let test = "two_data_centres_see_each_other";
    let options = ConsulOptions::new().speaking_wan();
    let Some(one) = ConsulServer::start_with(test, options).await else { return };
    let two = ConsulOptions::new().datacenter("dc2").joining_wan(&one);
    let two = ConsulServer::start_with(test, two).await.unwrap();
    two.gateway().register_plain("web", "w", "127.0.0.1", 80).await;
    let gateway = one.gateway();
    eventually("seen from the other", async || {
        let answer = gateway.call("GET", "/v1/health/service/web?dc=dc2", None).await.unwrap();
        answer.0 == 200 && answer.1.as_array().is_some_and(|entries| entries.len() == 1)
    })
    .await;
    assert!(!knows(&one, "web").await);
}
