//! etcd's HTTP gateway: what a test does behind a client's back, without an etcd client.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http;

/// What went wrong with a request: no answer, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayError(pub String);

/// A door to one etcd's HTTP gateway. Every request makes a connection of its own.
///
/// # Panics
/// Its methods, when etcd refuses or doesn't answer within 10 s; [`call`](Self::call) alone returns the error.
#[derive(Debug, Clone)]
pub struct Gateway {
    address: SocketAddr,
    token: Option<String>,
}

impl Gateway {
    /// To the etcd at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// As a user: the same door, with that user's token.
    pub async fn logged_in(&self, user: &str, password: &str) -> Self {
        let answer = self.must("auth/authenticate", json!({ "name": user, "password": password })).await;
        Self { token: answer["token"].as_str().map(str::to_owned), ..self.clone() }
    }

    /// Whether it answers and has a leader.
    pub async fn is_healthy(&self) -> bool {
        let answer = self.request("GET", "/health", "").await;
        matches!(answer, Ok((200, body)) if body.contains("true"))
    }

    /// Writes a key, under a lease if one is given; the revision it has now.
    pub async fn put(&self, key: &str, value: &str, lease: Option<i64>) -> i64 {
        let lease = lease.unwrap_or_default().to_string();
        let answer = self.must("kv/put", json!({ "key": code(key), "value": code(value), "lease": lease })).await;
        revision(&answer)
    }

    /// The keys below `prefix`, each with its value and lease, in order.
    pub async fn list(&self, prefix: &str) -> Vec<(String, String, i64)> {
        let answer =
            self.must("kv/range", json!({ "key": code(prefix), "range_end": code_bytes(&end_of(prefix)) })).await;
        let entries = answer["kvs"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|kv| (decode(&kv["key"]), decode(&kv["value"]), number(&kv["lease"]))).collect()
    }

    /// The key's value.
    pub async fn get(&self, key: &str) -> Option<String> {
        let answer = self.must("kv/range", json!({ "key": code(key) })).await;
        answer["kvs"].get(0).map(|kv| decode(&kv["value"]))
    }

    /// Removes a key; the revision then.
    pub async fn delete(&self, key: &str) -> i64 {
        revision(&self.must("kv/deleterange", json!({ "key": code(key) })).await)
    }

    /// The newest revision.
    pub async fn revision(&self) -> i64 {
        revision(&self.must("kv/range", json!({ "key": code("\u{1}"), "limit": "1" })).await)
    }

    /// Forgets all history before the newest revision.
    pub async fn compact(&self) {
        let revision = self.revision().await;
        self.must("kv/compaction", json!({ "revision": revision.to_string(), "physical": true })).await;
    }

    /// Makes a lease.
    pub async fn grant(&self, seconds: u32) -> i64 {
        number(&self.must("lease/grant", json!({ "TTL": seconds.to_string() })).await["ID"])
    }

    /// Ends a lease, and every key under it.
    pub async fn revoke(&self, lease: i64) {
        self.must("lease/revoke", json!({ "ID": lease.to_string() })).await;
    }

    /// The leases that there are.
    pub async fn leases(&self) -> Vec<i64> {
        let answer = self.must("lease/leases", json!({})).await;
        answer["leases"].as_array().into_iter().flatten().map(|lease| number(&lease["ID"])).collect()
    }

    /// Ends every key below `prefix` whose key ends in `suffix` by revoking its lease; says whether there was one.
    pub async fn expire(&self, prefix: &str, suffix: &str) -> bool {
        let found = self.list(prefix).await.into_iter().find(|(key, ..)| key.ends_with(suffix));
        match found {
            Some((_, _, lease)) if lease != 0 => self.revoke(lease).await,
            Some((key, ..)) => drop(self.delete(&key).await),
            None => return false,
        }
        true
    }

    /// Adds a user with every right there is.
    pub async fn add_user(&self, user: &str, password: &str) {
        self.must("auth/user/add", json!({ "name": user, "password": password })).await;
        self.must("auth/user/grant", json!({ "user": user, "role": "root" })).await;
    }

    /// Asks for credentials from now on; makes `root` with this password.
    pub async fn enable_auth(&self, password: &str) {
        // There from the beginning in some versions.
        drop(self.call("auth/role/add", json!({ "name": "root" })).await);
        self.add_user("root", password).await;
        self.must("auth/enable", json!({})).await;
    }

    /// Gives a user another password.
    pub async fn change_password(&self, user: &str, password: &str) {
        self.must("auth/user/changepw", json!({ "name": user, "password": password })).await;
    }

    /// The ids of the cluster's leader and of this member.
    pub async fn leader_and_member(&self) -> (String, String) {
        let answer = self.must("maintenance/status", json!({})).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&answer["leader"]), text(&answer["header"]["member_id"]))
    }

    /// The sum of all series of a metric whose line holds every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, body) = self.request("GET", "/metrics", "").await.expect("etcd tells its metrics");
        let lines = body.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{'])) && labels.iter().all(|label| line.contains(label))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// One call of the gateway: `kv/put` with its JSON.
    ///
    /// # Errors
    /// What etcd says against it, or that it doesn't answer.
    pub async fn call(&self, path: &str, body: Value) -> Result<Value, GatewayError> {
        let (url, text) = (format!("/v3/{path}"), body.to_string());
        let answer = self.request("POST", &url, &text).await;
        let (status, body) = answer.map_err(|error| GatewayError(format!("{path}: {error}")))?;
        if status != 200 {
            return Err(GatewayError(format!("{path}: {status}: {body}")));
        }
        serde_json::from_str(&body).map_err(|error| GatewayError(format!("{path}: {error}: {body}")))
    }

    async fn must(&self, path: &str, body: Value) -> Value {
        self.call(path, body).await.unwrap_or_else(|error| panic!("etcd's gateway: {}", error.0))
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let token = self.token.as_deref().map(|token| ("Authorization", token));
        http::request(self.address, method, path, token.as_slice(), body).await
    }
}

fn code(text: &str) -> String {
    code_bytes(text.as_bytes())
}

fn code_bytes(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decode(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).expect("etcd sends base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The gateway writes 64-bit numbers as texts, and leaves zeros out.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn revision(answer: &Value) -> i64 {
    number(&answer["header"]["revision"])
}

/// The first key after all that begin with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        // No byte of UTF-8 is 255.
        *last += 1;
    }
    end
}
