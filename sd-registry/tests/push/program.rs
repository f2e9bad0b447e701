//! A service as article 001 writes it: appends what is added without looking, removes one of two, answers heartbeats.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::common::{Answer, Http, PATIENCE};

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Ok,
    /// With this status.
    Status(u16),
    /// Taken in, and then the connection breaks.
    Break,
    /// Taken in, and never answered.
    Hang,
    /// To another path of this program.
    Redirect,
}

#[derive(Debug)]
pub(crate) struct State {
    /// What `GetProvider` chooses from.
    pub(crate) providers: Vec<(String, String)>,
    /// The bodies posted to `/services`.
    pub(crate) patches: Vec<String>,
    pub(crate) heartbeats: usize,
    /// Something was added that was there.
    pub(crate) doubled: bool,
    /// A path was asked for that nobody gave away.
    pub(crate) strayed: bool,
    pub(crate) updates: Manner,
    pub(crate) heart: Manner,
}

/// A running program; ends when it is dropped.
pub(crate) struct Program {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Program {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    /// Again at the same place, knowing nothing.
    pub(crate) async fn again(self) -> Self {
        let address = self.url.strip_prefix("http://").unwrap().to_owned();
        self.stop().await;
        Self::on(TcpListener::bind(&address).await.unwrap())
    }

    /// Stops, and refuses connections when this returns.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        drop((&mut self.task).await);
    }

    fn on(listener: TcpListener) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            providers: Vec::new(),
            patches: Vec::new(),
            heartbeats: 0,
            doubled: false,
            strayed: false,
            updates: Manner::Ok,
            heart: Manner::Ok,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        connections.spawn(serve(accepted.unwrap().0, Arc::clone(&shared)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { url, state, task }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn registration(&self, name: &str, requires: &[&str]) -> Value {
        json!({
            "ServiceName": name,
            "ServiceURL": self.url,
            "RequiredServices": requires,
            "ServiceUpdateURL": format!("{}/services", self.url),
            "HeartbeatURL": format!("{}/heartbeat", self.url),
        })
    }

    pub(crate) async fn register(&self, centre: &Http, name: &str, requires: &[&str]) -> Answer {
        centre.post("/services", &self.registration(name, requires)).await
    }

    /// Registers, and wants that to work.
    pub(crate) async fn registered(&self, centre: &Http, name: &str, requires: &[&str]) {
        let answer = self.register(centre, name, requires).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    }

    /// Registers as soon as that works.
    pub(crate) async fn registered_in_time(&self, centre: &Http, name: &str, requires: &[&str]) {
        let mut answer = self.register(centre, name, requires).await;
        let tried = tokio::time::timeout(PATIENCE, async {
            while answer.status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                answer = self.register(centre, name, requires).await;
            }
        });
        assert!(tried.await.is_ok(), "{answer:?}");
    }

    /// Waits until it knows exactly these, in any order.
    pub(crate) async fn knows(&self, what: &str, providers: &[(&str, &str)]) {
        let mut wanted: Vec<_> = providers.iter().map(|(n, u)| ((*n).to_owned(), (*u).to_owned())).collect();
        wanted.sort();
        eventually(what, || {
            let mut known = self.state().providers.clone();
            known.sort();
            known == wanted
        })
        .await;
        self.is_well();
    }

    pub(crate) fn is_well(&self) {
        let state = self.state();
        assert!(!state.doubled && !state.strayed, "{state:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    let (head, body) = loop {
        let Ok(count) = stream.read(&mut chunk).await else { return };
        if count == 0 {
            return;
        }
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8(read.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let manner = state.lock().unwrap().take(&head, &body);
    let answer = match manner {
        Manner::Ok => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        Manner::Status(status) => format!("HTTP/1.1 {status} No\r\ncontent-length: 3\r\n\r\nno\n"),
        Manner::Redirect => "HTTP/1.1 307 Elsewhere\r\nlocation: /secret\r\ncontent-length: 0\r\n\r\n".to_owned(),
        Manner::Break => return,
        Manner::Hang => std::future::pending().await,
    };
    drop(stream.write_all(answer.as_bytes()).await);
}

impl State {
    fn take(&mut self, head: &str, body: &str) -> Manner {
        let request = head.lines().next().unwrap();
        match request {
            "GET /heartbeat HTTP/1.1" => {
                self.heartbeats += 1;
                self.heart
            }
            "POST /services HTTP/1.1" => {
                assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
                self.update(body);
                self.updates
            }
            _ => {
                self.strayed = true;
                Manner::Status(404)
            }
        }
    }

    /// The article's `providers.Update`.
    fn update(&mut self, body: &str) {
        self.patches.push(body.to_owned());
        let patch: Value = serde_json::from_str(body).unwrap();
        let list = |field: &str| -> Vec<(String, String)> {
            let entries = patch[field].as_array().cloned().unwrap_or_default();
            let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
            entries.iter().map(|entry| (text(entry, "Name"), text(entry, "URL"))).collect()
        };
        for added in list("Added") {
            self.doubled |= self.providers.contains(&added);
            self.providers.push(added);
        }
        for removed in list("Removed") {
            if let Some(at) = self.providers.iter().position(|known| *known == removed) {
                self.providers.remove(at);
            }
        }
    }
}

pub(crate) async fn deregister(centre: &Http, url: &str) -> u16 {
    let request = centre.request(Method::DELETE, "/services").header("content-type", "text/plain");
    let answer = centre.send(request.body(Full::new(url.to_owned().into())).unwrap()).await;
    answer.status.as_u16()
}

pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool + Send + Sync) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}

/// Waits until the centre lists so many instances of a service.
pub(crate) async fn until_listed(centre: &Http, service: &str, count: usize) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while centre.ids(service).await.len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{count} of {service}: not within {PATIENCE:?}");
}
