//! Against the article's own centre, as it stands there: what it does wrong included.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use sd_core::{Instancer, Probe, Registrar, Registration};
use sd_testkit::waiting::{eventually, until_ids};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::PushConfig;

/// The article's `registry/server.go`: a list that is appended to, patches without retry, heartbeats one after another.
struct ArticlesCentre {
    address: String,
    registrations: Arc<Mutex<Vec<Value>>>,
    tasks: Vec<JoinHandle<()>>,
}

type Registrations = Arc<Mutex<Vec<Value>>>;

impl ArticlesCentre {
    async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let registrations = Registrations::default();
        let serving = tokio::spawn({
            let registrations = Arc::clone(&registrations);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(stream, Arc::clone(&registrations)));
                }
            }
        });
        let beating = tokio::spawn(heartbeats(Arc::clone(&registrations)));
        Self { address, registrations, tasks: vec![serving, beating] }
    }

    async fn stop(mut self) -> String {
        for task in self.tasks.drain(..) {
            task.abort();
            drop(task.await);
        }
        self.address.clone()
    }

    fn urls(&self, name: &str) -> Vec<String> {
        let registrations = self.registrations.lock().unwrap();
        let named = registrations.iter().filter(|registration| registration["ServiceName"] == name);
        named.map(|registration| registration["ServiceURL"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for ArticlesCentre {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn read_message(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

async fn call(method: Method, url: &str, body: &str) -> Option<u16> {
    let (authority, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(authority).await.ok()?;
    let length = body.len();
    let request = format!("{method} /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.ok()?;
    read_message(&mut stream).await?.0.split(' ').nth(1)?.parse().ok()
}

async fn serve(mut stream: TcpStream, registrations: Registrations) {
    let Some((head, body)) = read_message(&mut stream).await else { return };
    let status = match head.split(' ').next().unwrap() {
        "POST" => match serde_json::from_str(&body) {
            Ok(registration) => add(registration, &registrations).await,
            Err(_) => 400,
        },
        "DELETE" => remove(&body, &registrations).await,
        _ => 405,
    };
    let answer = format!("HTTP/1.1 {status} Go\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    drop(stream.write_all(answer.as_bytes()).await);
}

fn requires(registration: &Value, name: &Value) -> bool {
    registration["RequiredServices"].as_array().is_some_and(|required| required.contains(name))
}

fn entry(registration: &Value) -> Value {
    json!({"Name": registration["ServiceName"], "URL": registration["ServiceURL"]})
}

async fn add(registration: Value, registrations: &Registrations) -> u16 {
    registrations.lock().unwrap().push(registration.clone());
    let all = registrations.lock().unwrap().clone();
    let present: Vec<_> =
        all.iter().filter(|other| requires(&registration, &other["ServiceName"])).map(entry).collect();
    let added = if present.is_empty() { Value::Null } else { Value::from(present) };
    let url = registration["ServiceUpdateURL"].as_str().unwrap();
    let told = call(Method::POST, url, &json!({"Added": added, "Removed": null}).to_string()).await;
    notify(&registration, &json!({"Added": [entry(&registration)], "Removed": []}), &all).await;
    if told.is_some() { 200 } else { 400 }
}

async fn remove(url: &str, registrations: &Registrations) -> u16 {
    let found = {
        let mut all = registrations.lock().unwrap();
        all.iter().position(|registration| registration["ServiceURL"] == url).map(|at| (all.clone(), all.remove(at)))
    };
    let Some((all, removed)) = found else { return 500 };
    notify(&removed, &json!({"Added": [], "Removed": [entry(&removed)]}), &all).await;
    200
}

async fn notify(about: &Value, patch: &Value, all: &[Value]) {
    for receiver in all.iter().filter(|receiver| requires(receiver, &about["ServiceName"])) {
        call(Method::POST, receiver["ServiceUpdateURL"].as_str().unwrap(), &patch.to_string()).await;
    }
}

async fn heartbeats(registrations: Registrations) {
    loop {
        let all = registrations.lock().unwrap().clone();
        for registration in all {
            let url = registration["HeartbeatURL"].as_str().unwrap().to_owned();
            if call(Method::GET, &url, "").await != Some(200) {
                remove(registration["ServiceURL"].as_str().unwrap(), &registrations).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn instance(url: &str) -> sd_core::Instance {
    sd_core::Instance::new(url.parse::<sd_core::Address>().unwrap())
}

#[tokio::test]
async fn the_articles_centre_knows_us_and_tells_us() {
    let centre = ArticlesCentre::start("127.0.0.1:0").await;
    let log = PushConfig::new(&centre.address).connect().unwrap();
    let grading = PushConfig::new(&centre.address).requires("LogService").unwrap().connect().unwrap();
    let one = log.register(Registration::new("LogService", instance("http://127.0.0.1:4000"))).await.unwrap();
    assert_eq!(centre.urls("LogService"), ["http://127.0.0.1:4000"]);
    let registration = Registration::new("GradingService", instance("127.0.0.1:6000"));
    let registered = grading.register(registration).await.unwrap();
    assert_eq!(centre.urls("GradingService"), ["http://127.0.0.1:6000"], "an address is registered as a URL");
    let mut logs = grading.subscribe(&"LogService".parse().unwrap());
    until_ids("the log service", &mut logs, &["127.0.0.1:4000"]).await;
    assert!(centre.urls("Watcher").is_empty(), "what is required costs no registration of its own");
    let two = log.register(Registration::new("LogService", instance("http://127.0.0.1:4001"))).await.unwrap();
    until_ids("both", &mut logs, &["127.0.0.1:4000", "127.0.0.1:4001"]).await;
    one.deregister().await.unwrap();
    until_ids("the second one", &mut logs, &["127.0.0.1:4001"]).await;

    let mut others = log.subscribe(&"GradingService".parse().unwrap());
    until_ids("without being registered for it", &mut others, &["127.0.0.1:6000"]).await;
    assert_eq!(centre.urls("Watcher").len(), 1);
    registered.deregister().await.unwrap();
    until_ids("nobody", &mut others, &[]).await;
    two.deregister().await.unwrap();
    assert!(log.probe().await.is_ok());
}

#[tokio::test]
async fn a_centre_that_forgot_everything_is_told_again_and_once() {
    let centre = ArticlesCentre::start("127.0.0.1:0").await;
    let silence = Duration::from_secs(1);
    let log = PushConfig::new(&centre.address).silence(silence).connect().unwrap();
    let _one = log.register(Registration::new("LogService", instance("http://127.0.0.1:4000"))).await.unwrap();
    let mut logs = log.subscribe(&"LogService".parse().unwrap());
    until_ids("the log service", &mut logs, &["127.0.0.1:4000"]).await;
    let address = centre.stop().await;
    let centre = ArticlesCentre::start(&address).await;
    eventually("registered again", async || centre.urls("LogService").len() == 1).await;
    eventually("watched again", async || centre.urls("Watcher").len() == 1).await;
    until_ids("the log service again", &mut logs, &["127.0.0.1:4000"]).await;
    assert_eq!(centre.urls("LogService").len(), 1);
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_sent() {
    let refused = |config: PushConfig| config.connect().unwrap_err().to_string();
    assert!(refused(PushConfig::new("nowhere")).contains("no port"));
    assert!(refused(PushConfig::new("http://127.0.0.1:3000/services")).contains("host:port"));
    assert!(refused(PushConfig::new("127.0.0.1:1").silence(Duration::ZERO)).contains("1 s to 1 h"));
    assert!(refused(PushConfig::new("127.0.0.1:1").listen("0.0.0.0:0".parse().unwrap())).contains("advertise"));
    assert!(PushConfig::new("127.0.0.1:1").requires("no/name").is_err());
}
