//! Consul's HTTP API by hand: what a test does behind a client's back.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http::{self, path_segment};

/// A door to one agent's HTTP API. Every request makes a connection of its own.
///
/// # Panics
/// Its methods, when Consul refuses or doesn't answer within 10 s; [`call`](Self::call) alone returns the answer as it
/// is.
#[derive(Debug, Clone)]
pub struct ConsulGateway {
    address: SocketAddr,
    token: Option<String>,
}

impl ConsulGateway {
    /// To the agent at `address`, with this token.
    #[must_use]
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, token: token.map(str::to_owned) }
    }

    /// Whether it has a leader, and `node` stands in the catalog with its gossip check.
    pub async fn is_ready(&self, node: &str) -> bool {
        let path = format!("/v1/health/node/{}", path_segment(node));
        matches!(self.call("GET", &path, None).await, Ok((200, Value::Array(checks))) if !checks.is_empty())
    }

    /// Registers a service with the agent, as any program might: the body is Consul's own.
    pub async fn register(&self, definition: Value) {
        self.must("PUT", "/v1/agent/service/register", Some(definition)).await;
    }

    /// Registers a service without any check: always passing.
    pub async fn register_plain(&self, service: &str, id: &str, host: &str, port: u16) {
        self.register(json!({ "Name": service, "ID": id, "Address": host, "Port": port })).await;
    }

    /// Takes a service from the agent, by Consul's id.
    pub async fn deregister(&self, id: &str) {
        self.must("PUT", &format!("/v1/agent/service/deregister/{}", path_segment(id)), None).await;
    }

    /// The agent's services, as it tells them.
    pub async fn agent_services(&self) -> Vec<Value> {
        let answer = self.must("GET", "/v1/agent/services", None).await;
        answer.as_object().map(|services| services.values().cloned().collect()).unwrap_or_default()
    }

    /// The agent's service with this id of Consul's.
    pub async fn agent_service(&self, id: &str) -> Option<Value> {
        self.agent_services().await.into_iter().find(|service| service["ID"] == id)
    }

    /// The checks of a service's instances, as the agent tells them, by their ids.
    pub async fn agent_checks(&self, service: &str) -> Vec<Value> {
        let answer = self.must("GET", "/v1/agent/checks", None).await;
        let checks = answer.as_object().into_iter().flat_map(|checks| checks.values().cloned());
        checks.filter(|check| check["ServiceName"] == service).collect()
    }

    /// A service's entries with node and checks, as the catalog has them.
    pub async fn health(&self, service: &str) -> Vec<Value> {
        let answer = self.must("GET", &format!("/v1/health/service/{}", path_segment(service)), None).await;
        answer.as_array().cloned().unwrap_or_default()
    }

    /// Sets the status of a TTL check: `passing`, `warning` or `critical`.
    pub async fn set_check(&self, check: &str, status: &str) {
        let path = format!("/v1/agent/check/update/{}", path_segment(check));
        self.must("PUT", &path, Some(json!({ "Status": status }))).await;
    }

    /// Puts a service, by Consul's id, into maintenance mode or takes it out.
    pub async fn maintenance(&self, id: &str, enable: bool) {
        let path = format!("/v1/agent/service/maintenance/{}?enable={enable}", path_segment(id));
        self.must("PUT", &path, None).await;
    }

    /// Ends the instance `id` of `service` behind its owner's back; says whether there was one.
    pub async fn expire(&self, service: &str, id: &str) -> bool {
        let wanted = [id.to_owned(), format!("{service}:{id}")];
        let mut services = self.agent_services().await.into_iter();
        let found = services.find(|found| {
            found["Service"] == service && found["ID"].as_str().is_some_and(|id| wanted.iter().any(|w| w == id))
        });
        let Some(id) = found.as_ref().and_then(|found| found["ID"].as_str()) else { return false };
        self.deregister(id).await;
        true
    }

    /// Makes a token with these rules (HCL); its secret.
    pub async fn make_token(&self, name: &str, rules: &str) -> String {
        self.must("PUT", "/v1/acl/policy", Some(json!({ "Name": name, "Rules": rules }))).await;
        let token = json!({ "Description": name, "Policies": [{ "Name": name }] });
        let answer = self.must("PUT", "/v1/acl/token", Some(token)).await;
        answer["SecretID"].as_str().expect("a token has a secret").to_owned()
    }

    /// Changes the rules of a policy that [`make_token`](Self::make_token) has made.
    pub async fn change_rules(&self, name: &str, rules: &str) {
        let policy = self.must("GET", &format!("/v1/acl/policy/name/{}", path_segment(name)), None).await;
        let id = policy["ID"].as_str().expect("a policy has an id").to_owned();
        let body = json!({ "ID": id, "Name": name, "Rules": rules });
        self.must("PUT", &format!("/v1/acl/policy/{id}"), Some(body)).await;
    }

    /// Deletes the token with this secret.
    pub async fn delete_token(&self, secret: &str) {
        let of_token = Self { token: Some(secret.to_owned()), ..self.clone() };
        let read = of_token.must("GET", "/v1/acl/token/self", None).await;
        let accessor = read["AccessorID"].as_str().expect("a token has an accessor").to_owned();
        self.must("DELETE", &format!("/v1/acl/token/{accessor}"), None).await;
    }

    /// One request: the status and the answer, which is a text where it is not JSON.
    ///
    /// # Errors
    /// No answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> std::io::Result<(u16, Value)> {
        let token = self.token.as_deref().map(|token| ("X-Consul-Token", token));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (status, text) = http::request(self.address, method, path, token.as_slice(), &body).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn must(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        match self.call(method, path, body).await {
            Ok((200, answer)) => answer,
            other => panic!("Consul: {method} {path}: {other:?}"),
        }
    }
}
