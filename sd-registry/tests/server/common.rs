//! A centre in this process, and a plain HTTP client for it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sd_registry::{Centre, CentreBuilder, Registry};
use serde_json::{Value, json};

/// How long anything that must happen may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem's type and field.
    pub(crate) fn problem(&self) -> (String, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        let kind = body["type"].as_str().unwrap().strip_prefix("urn:sd:problem:").unwrap().to_owned();
        (kind, body["field"].as_str().unwrap_or_default().to_owned())
    }
}

/// Speaks to a centre.
#[derive(Clone)]
pub(crate) struct Http {
    base: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Http {
    pub(crate) fn to(url: impl Into<String>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: url.into(), token: None, client }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        self.base.split_once("://").unwrap().1
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let mut builder = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        builder
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn try_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let sent = tokio::time::timeout(PATIENCE, async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Ok(Answer { status: parts.status, headers: parts.headers, text })
        });
        sent.await.expect("an answer in time")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// Registers, and wants that to work.
    pub(crate) async fn register(&self, service: &str, id: &str, owner: &str) -> Value {
        let answer = self.post("/v1/register", &registration(service, id, owner)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.json()
    }

    pub(crate) async fn ids(&self, service: &str) -> Vec<String> {
        let list = self.get(&format!("/v1/services/{service}")).await.json();
        list["instances"].as_array().unwrap().iter().map(|entry| id_of(entry).to_owned()).collect()
    }

    pub(crate) async fn watch(&self, path: &str, last_event_id: Option<&str>) -> Events {
        let mut request = self.request(Method::GET, path);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), buffer: String::new() }
    }
}

pub(crate) fn registration(service: &str, id: &str, owner: &str) -> Value {
    json!({"service": service, "instance": {"id": id, "address": "127.0.0.1:50052", "owner": owner}})
}

pub(crate) fn id_of(entry: &Value) -> &str {
    entry["instance"]["id"].as_str().unwrap()
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A watch.
pub(crate) struct Events {
    body: hyper::body::Incoming,
    buffer: String,
}

impl Events {
    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let prefix = format!("{name}: ");
                    event.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
                };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                let event = Event { name: field("event").unwrap(), id: field("id"), data };
                self.buffer = rest.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.push_str(std::str::from_utf8(&frame.into_data().ok()?).unwrap());
        }
    }

    /// The next event that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Option<Event> {
        loop {
            match self.next().await {
                Some(event) if event.name == "heartbeat" => {}
                other => return other,
            }
        }
    }
}

/// What a reader of one service knows, and where it is.
#[derive(Debug, Default, Clone)]
pub(crate) struct Known {
    pub(crate) instances: BTreeMap<String, Value>,
    pub(crate) at: Option<String>,
    unfinished: Option<BTreeMap<String, Value>>,
}

impl Known {
    /// The connection is lost: half a snapshot is none.
    pub(crate) fn break_off(&mut self) {
        self.unfinished = None;
    }

    /// Takes an event in, as a client does.
    pub(crate) fn take(&mut self, event: &Event) {
        match event.name.as_str() {
            "snapshot" => {
                let whole = self.unfinished.get_or_insert_default();
                for entry in event.data["instances"].as_array().unwrap() {
                    whole.insert(id_of(entry).to_owned(), entry["instance"].clone());
                }
                if event.data["more"] == false {
                    self.instances = self.unfinished.take().unwrap();
                }
            }
            "put" => {
                self.instances.insert(id_of(&event.data).to_owned(), event.data["instance"].clone());
            }
            "remove" => {
                let id = event.data["id"].as_str().unwrap();
                assert!(self.instances.remove(id).is_some(), "{id} goes, and was not there: {event:?}");
            }
            "resumed" | "heartbeat" | "stale" | "live" => {}
            other => panic!("an event of name {other:?}"),
        }
        if event.id.is_some() {
            self.at.clone_from(&event.id);
        }
    }
}

/// A centre in memory.
pub(crate) async fn centre() -> (Centre, Http) {
    spawn(Registry::builder()).await
}

pub(crate) async fn spawn(builder: CentreBuilder) -> (Centre, Http) {
    let centre = builder.spawn().await.unwrap();
    let http = Http::to(centre.http_url());
    (centre, http)
}

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let unique = format!("sd-registry-{name}-{}-{:x}", std::process::id(), rand_bits());
        let folder = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn rand_bits() -> u64 {
    sd_core::default_randomness().next_u64()
}
