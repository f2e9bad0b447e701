//! An agent that answers as a test says, request by request: for what a real one does only by accident.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the agent does about a request.
pub(crate) enum Reply {
    /// An answer with this index.
    List(u64, Value),
    /// A status and a text.
    Status(u16, &'static str),
    /// It never answers.
    Silence,
}

/// Says what happens to the request with this path and query, the n-th of all.
type Script = Arc<dyn Fn(&str, usize) -> Reply + Send + Sync>;

/// Ends with the test.
pub(crate) struct FakeAgent {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    serving: JoinHandle<()>,
}

impl FakeAgent {
    pub(crate) async fn start(script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, script): (Arc<Mutex<Vec<_>>>, Script) = (Arc::default(), Arc::new(script));
        let noted = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&noted), Arc::clone(&script)));
            }
        });
        Self { address, asked, serving }
    }

    /// What was asked so far, and when.
    pub(crate) fn asked(&self) -> Vec<(Instant, String)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, asked: Arc<Mutex<Vec<(Instant, String)>>>, script: Script) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut target, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                return;
            }
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push((Instant::now(), target.clone()));
            asked.len() - 1
        };
        let (status, index, body) = match script(&target, number) {
            Reply::List(index, list) => (200, index, list.to_string()),
            Reply::Status(status, text) => (status, 0, text.to_owned()),
            Reply::Silence => std::future::pending().await,
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} X\r\nX-Consul-Index: {index}\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Entries of a service at these ports, all passing.
pub(crate) fn entries(ports: std::ops::Range<u16>) -> Value {
    let entry = |port: u16| {
        json!({
            "Node": { "Node": "n", "Address": "127.0.0.1" },
            "Service": { "ID": format!("web-{port}"), "Service": "web", "Port": port, "Address": "127.0.0.1" },
            "Checks": [],
        })
    };
    ports.map(entry).collect()
}

/// The index that a query waits beyond.
pub(crate) fn index_of(target: &str) -> Option<u64> {
    target.split(['?', '&']).find_map(|pair| pair.strip_prefix("index="))?.parse().ok()
}
