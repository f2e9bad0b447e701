//! What a test does to a centre behind a client's back, through its HTTP API.

use std::net::SocketAddr;

use sd_core::ServiceName;
use serde_json::{Value, json};

use crate::http;

/// Acts on a centre without a client. Speaks no TLS.
#[derive(Debug, Clone)]
pub struct CentreGateway {
    address: SocketAddr,
    token: Option<String>,
}

impl CentreGateway {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// The same, showing a token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Whether it answers.
    pub async fn is_healthy(&self) -> bool {
        matches!(self.request("GET", "/healthz", "").await, Ok((200, _)))
    }

    /// Sends JSON; the status, and the answer as JSON.
    ///
    /// # Panics
    /// When there is no answer, or one that is not JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = self.request("POST", path, &body.to_string()).await.expect("the centre answers");
        (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// Reads JSON.
    ///
    /// # Panics
    /// When there is no answer, or none that says 200 with JSON.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.request("GET", path, "").await.expect("the centre answers");
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Registers under `owner`, as a newer registrant does.
    ///
    /// # Panics
    /// When the centre refuses.
    pub async fn register(&self, service: &ServiceName, id: &str, port: u16, owner: &str) {
        let instance = json!({ "id": id, "address": format!("127.0.0.1:{port}"), "owner": owner });
        let body = json!({ "service": service.as_str(), "instance": instance, "ttl_ms": 60_000 });
        let (status, answer) = self.post("/v1/register", &body).await;
        assert!(matches!(status, 200 | 201), "{answer}");
    }

    /// Takes an entry away, whosoever it is; says whether it was there.
    ///
    /// # Panics
    /// When the centre refuses.
    pub async fn expire(&self, service: &ServiceName, id: &str) -> bool {
        let body = json!({ "service": service.as_str(), "id": id });
        let (status, answer) = self.post("/v1/deregister", &body).await;
        assert!(matches!(status, 200 | 404), "{answer}");
        status == 200
    }

    /// The ids of a service, in their order.
    ///
    /// # Panics
    /// When the centre does not answer.
    pub async fn ids(&self, service: &ServiceName) -> Vec<String> {
        let listed = self.get(&format!("/v1/services/{service}")).await;
        let instances = listed["instances"].as_array().expect("a list");
        instances.iter().map(|entry| entry["instance"]["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// How many watches are open.
    ///
    /// # Panics
    /// When the centre does not answer.
    pub async fn watches(&self) -> usize {
        let count = self.get("/v1/status").await["watchers"].as_u64().expect("a count");
        usize::try_from(count).expect("a small count")
    }

    /// A counter or gauge of `/metrics`, without labels.
    ///
    /// # Panics
    /// When the centre does not answer, or does not know it.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.request("GET", "/metrics", "").await.expect("the centre answers");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = token.iter().map(|token| ("Authorization", token.as_str())).collect();
        http::request(self.address, method, path, &headers, body).await
    }
}
