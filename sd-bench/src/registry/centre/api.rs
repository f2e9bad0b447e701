//! The centre's HTTP API, spoken as barely as possible: bodies are text, answers are not decoded.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::data::address;

/// The owner of everything that is written here.
const OWNER: &str = "bench";
/// The longest there is: nothing is renewed here, and nothing lapses.
const A_DAY_MS: u32 = 86_400_000;

/// One connection.
#[derive(Clone)]
pub struct Api {
    send: SendRequest<Full<Bytes>>,
    host: String,
}

impl Api {
    /// Connects; the connection lives for as long as the runtime, or a clone of this.
    pub async fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // A connection that breaks is seen by the requests on it.
        drop(tokio::spawn(connection));
        Ok(Self { send, host: server.to_string() })
    }

    /// Writes one instance.
    pub async fn register(&self, service: &str, index: usize, weight: u32) -> anyhow::Result<()> {
        self.post("/v1/register", registration(service, index, weight)).await
    }

    /// Takes one instance away.
    pub async fn deregister(&self, service: &str, index: usize) -> anyhow::Result<()> {
        let id = address(index);
        self.post("/v1/deregister", format!("{{\"service\":\"{service}\",\"id\":\"{id}\"}}")).await
    }

    /// Renews instances, all in one request.
    pub async fn renew(&self, service: &str, instances: std::ops::Range<usize>) -> anyhow::Result<()> {
        let entry =
            |index| format!("{{\"service\":\"{service}\",\"id\":\"{}\",\"owner\":\"{OWNER}\"}}", address(index));
        let entries: Vec<_> = instances.map(entry).collect();
        self.post("/v1/renew", format!("{{\"entries\":[{}]}}", entries.join(","))).await
    }

    /// Begins to watch a service.
    pub async fn watch(&self, service: &str) -> anyhow::Result<Events> {
        let request = Request::get(format!("http://{}/v1/watch/services/{service}", self.host));
        let answer = self.send.clone().send_request(request.body(Full::default())?).await?;
        if !answer.status().is_success() {
            bail!("the watch was answered with {}", answer.status());
        }
        Ok(Events { body: answer.into_body(), read: Vec::new() })
    }

    async fn post(&self, path: &str, body: String) -> anyhow::Result<()> {
        let request = Request::builder().method(Method::POST).uri(format!("http://{}{path}", self.host));
        let request = request.header("content-type", "application/json").body(Full::new(body.into()))?;
        let answer = self.send.clone().send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{path} was answered with {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}

/// What is posted to register one instance.
pub fn registration(service: &str, index: usize, weight: u32) -> String {
    let address = address(index);
    format!(
        "{{\"service\":\"{service}\",\"ttl_ms\":{A_DAY_MS},\"instance\":{{\"id\":\"{address}\",\
         \"address\":\"{address}\",\"weight\":{weight},\"owner\":\"{OWNER}\"}}}}"
    )
}

/// The events of one watch.
pub struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    /// The next event: its name, and its data as text.
    pub async fn next(&mut self) -> anyhow::Result<(String, String)> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let text = std::str::from_utf8(&event)?;
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                return Ok((field("event: ").to_owned(), field("data: ").to_owned()));
            }
            let frame = self.body.frame().await.context("the watch has ended")??;
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }

    /// Reads the snapshot; gives how many instances it has.
    pub async fn snapshot(&mut self) -> anyhow::Result<usize> {
        let mut count = 0;
        loop {
            let (name, data) = self.next().await?;
            if name == "snapshot" {
                count += data.matches("\"instance\":{").count();
                if data.contains("\"more\":false") {
                    return Ok(count);
                }
            }
        }
    }
}
