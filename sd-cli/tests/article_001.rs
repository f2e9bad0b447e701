//! `sdkit serve` in place of article 001's centre, for programs that speak as its Go programs do, byte by byte.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sd_testkit::registry::{CentreOptions, CentreServer};
use sd_testkit::waiting::{eventually, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The article's programs are compiled for `localhost`, which may be either loopback.
const BOTH: [&str; 4] = ["--also-listen", "[::1]:0", "--push-heartbeat", "100ms"];

async fn centre(further: &[&str]) -> CentreServer {
    CentreServer::start_binary(Path::new(env!("CARGO_BIN_EXE_sdkit")), CentreOptions::new().further(further)).await
}

/// One of the article's services: what it was posted, and how often it was asked for a heartbeat.
struct Service {
    url: String,
    told: Arc<Mutex<Vec<String>>>,
    heartbeats: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Service {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let (told, heartbeats) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<usize>>::default());
        let (patches, beats) = (Arc::clone(&told), Arc::clone(&heartbeats));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (head, body) = read(&mut stream).await;
                if head.starts_with("POST /services HTTP/1.1\r\n") {
                    patches.lock().unwrap().push(body);
                } else if head.starts_with("GET /heartbeat HTTP/1.1\r\n") {
                    *beats.lock().unwrap() += 1;
                }
                // As Go's `http.Server` answers a handler that has written nothing.
                let answer = "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { url, told, heartbeats, task }
    }

    fn port(&self) -> u16 {
        self.url.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// As a process that ends without a word.
    async fn die(self) -> u16 {
        self.task.abort();
        let port = self.port();
        drop(self.task.await);
        port
    }

    /// `registry.RegisterService`.
    async fn register(&self, centre: SocketAddr, name: &str, requires: &str) -> u16 {
        let url = &self.url;
        let body = format!(
            "{{\"ServiceName\":\"{name}\",\"ServiceURL\":\"{url}\",\"RequiredServices\":[{requires}],\
             \"ServiceUpdateURL\":\"{url}/services\",\"HeartbeatURL\":\"{url}/heartbeat\"}}\n"
        );
        go(centre, "POST", "Content-Type: application/json", &body).await
    }

    /// `registry.ShutdownService`.
    async fn shut_down(&self, centre: SocketAddr) -> u16 {
        go(centre, "DELETE", "Content-Type: text/plain", &self.url).await
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    async fn is_told(&self, patches: &[String]) {
        eventually("the patches", async || self.told().len() >= patches.len()).await;
        assert_eq!(self.told(), patches);
    }
}

/// What Go's `http.Client` sends, and the status that comes back.
async fn go(centre: SocketAddr, method: &str, header: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(centre).await.unwrap();
    let (port, length) = (centre.port(), body.len());
    let request = format!(
        "{method} /services HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {length}\r\n{header}\r\nAccept-Encoding: gzip\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, _) = soon("an answer", read(&mut stream)).await;
    head.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The head of a message, and as much of its body as it says.
async fn read(stream: &mut TcpStream) -> (String, String) {
    let mut read = String::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some((head, body)) = read.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return (head.to_owned() + "\r\n", body.to_owned());
            }
        }
        match stream.read(&mut chunk).await {
            Ok(count @ 1..) => read.push_str(std::str::from_utf8(&chunk[..count]).unwrap()),
            _ => return (read, String::new()),
        }
    }
}

/// `{"Added":…,"Removed":…}` with one service in the list named, and `other` as the other list.
fn patch(list: &str, name: &str, service: &Service, other: &str) -> String {
    let one = format!("[{{\"Name\":\"{name}\",\"URL\":\"{}\"}}]", service.url);
    let (added, removed) = if list == "Added" { (one.as_str(), other) } else { (other, one.as_str()) };
    format!("{{\"Added\":{added},\"Removed\":{removed}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_articles_programs_find_and_lose_each_other() {
    let server = centre(&BOTH).await;
    let four = server.address();
    let mut six: SocketAddr = "[::1]:0".parse().unwrap();
    six.set_port(four.port());
    // Where there is no IPv6, one loopback is what localhost means.
    let other = if TcpStream::connect(six).await.is_ok() { six } else { four };

    let (log, grading) = (Service::start(0).await, Service::start(0).await);
    assert_eq!(log.register(four, "LogService", "").await, 200);
    assert_eq!(log.told(), [r#"{"Added":null,"Removed":null}"#], "before it was answered");
    assert_eq!(grading.register(other, "GradingService", "\"LogService\"").await, 200);
    let mut expected = vec![patch("Added", "LogService", &log, "null")];
    assert_eq!(grading.told(), expected, "a provider can be asked for at once");
    eventually("both are asked for heartbeats", async || {
        *log.heartbeats.lock().unwrap() > 1 && *grading.heartbeats.lock().unwrap() > 1
    })
    .await;

    let gone = patch("Removed", "LogService", &log, "[]");
    let port = log.die().await;
    expected.push(gone.clone());
    grading.is_told(&expected).await;
    // Nobody registers it anew: that it answers again is enough.
    let log = Service::start(port).await;
    expected.push(patch("Added", "LogService", &log, "[]"));
    grading.is_told(&expected).await;
    assert!(log.told().is_empty(), "its own set is not told again");

    assert_eq!(log.shut_down(other).await, 200);
    expected.push(gone);
    grading.is_told(&expected).await;
    assert_eq!(log.shut_down(four).await, 500, "it is gone");
    assert_eq!(grading.shut_down(four).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_answered_as_there() {
    let server = centre(&BOTH).await;
    let nobody = Service { url: "http://localhost:1".to_owned(), ..Service::start(0).await };
    assert_eq!(nobody.register(server.address(), "LogService", "").await, 400, "it can't be told");
    let json = "Content-Type: application/json";
    assert_eq!(go(server.address(), "POST", json, "{\n").await, 400);
    for method in ["GET", "PUT", "PATCH"] {
        assert_eq!(go(server.address(), method, json, "").await, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_switched_off() {
    let server = centre(&["--no-push"]).await;
    let log = Service::start(0).await;
    assert_eq!(log.register(server.address(), "LogService", "").await, 404);
    assert!(log.told().is_empty());
    assert!(!server.log().contains("push:"), "{}", server.log());
}
