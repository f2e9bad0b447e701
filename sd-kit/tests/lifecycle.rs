//! A server's life, step by step, on the registry in memory and with time that the tests turn.

#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

use std::error::Error as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use sd_kit::sd_core::{
    Address, Connection, ErrorKind, Health, Instance, Instancer, MemoryRegistry, Registrar, Registration, ServiceName,
    Subscription,
};
use sd_kit::{Lifecycle, LifecycleError, LifecycleEvent, Phase, Stopping};
use sd_testkit::waiting::{eventually, soon, until, until_ids};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

type Served = Result<(), io::Error>;

/// What a life told, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// The first word of each event.
    fn words(&self) -> Vec<String> {
        let first = |line: &String| line.split_whitespace().next().unwrap_or_default().to_owned();
        self.0.lock().unwrap().iter().map(first).collect()
    }

    /// Waits until an event begins with this word. That the registry has accepted is known to watchers a moment sooner.
    async fn says(&self, word: &str) {
        eventually(word, async || self.words().iter().any(|said| said == word)).await;
    }

    fn listener(&self) -> impl FnMut(&LifecycleEvent) + Send + use<> {
        let told = self.clone();
        move |event| told.0.lock().unwrap().push(event.to_string())
    }
}

/// A life of a `book` server on a registry of its own, told to stop by dropping or using the sender.
struct Life {
    registry: MemoryRegistry,
    connection: Connection,
    lifecycle: Lifecycle,
    stop: oneshot::Sender<()>,
    told: Told,
}

impl Life {
    fn new() -> Self {
        let registry = MemoryRegistry::new();
        let connection = Connection::builder(Arc::new(registry.clone())).build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let told = Told::default();
        let lifecycle = Lifecycle::new("book", Arc::new(connection.clone()))
            .stop_on_enter(false)
            .stop_when(async { drop(stopped.await) })
            .on_event(told.listener());
        Self { registry, connection, lifecycle, stop, told }
    }

    fn subscribe(&self) -> Subscription {
        self.connection.subscribe(&book())
    }
}

fn book() -> ServiceName {
    "book".parse().unwrap()
}

/// Serves nobody, until it is to stop.
async fn idle(listener: TcpListener, stopping: Stopping) -> Served {
    stopping.await;
    drop(listener);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn it_goes_through_its_phases_in_order_and_drains_before_it_leaves() {
    let life = Life::new();
    let (mut seen, mut readiness) = (life.subscribe(), life.lifecycle.readiness());
    assert_eq!((readiness.phase(), readiness.is_ready()), (Phase::Starting, false));
    let at_finish = Arc::new(Mutex::new(None));
    let (left, subscription) = (Arc::clone(&at_finish), life.subscribe());
    let running = tokio::spawn(life.lifecycle.run(async move |listener, stopping: Stopping| {
        stopping.await;
        *left.lock().unwrap() = Some(subscription.snapshot().len());
        drop(listener);
        Served::Ok(())
    }));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1 && s.freshness().is_live()).await;
    assert!(readiness.is_ready());

    let asked = Instant::now();
    life.stop.send(()).unwrap();
    until("it is draining", &mut seen, |s| s.iter().any(|i| i.health() == Health::Draining)).await;
    assert_eq!(readiness.phase(), Phase::Draining);
    until_ids("it is gone", &mut seen, &[]).await;
    assert_eq!(asked.elapsed().as_secs(), 5, "the default drain");
    running.await.unwrap().unwrap();
    assert_eq!(*at_finish.lock().unwrap(), Some(0), "the server finishes when clients no longer see it");
    assert_eq!(readiness.reached(Phase::Stopped).await, Phase::Stopped);
    let words = ["listening", "registered", "draining", "deregistered", "finishing", "stopped"];
    assert_eq!(life.told.words(), words);
}

#[tokio::test]
async fn what_is_registered_is_what_was_bound_and_described() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let lifecycle = life.lifecycle.listen("[::1]:0".parse().unwrap()).drain(Duration::ZERO);
    let lifecycle = lifecycle.describe(|instance| instance.with_weight(7).with_tag("v1"));
    let (tell, bound) = oneshot::channel();
    let running = tokio::spawn(lifecycle.run(async |listener: TcpListener, stopping: Stopping| {
        tell.send(listener.local_addr().unwrap()).unwrap();
        stopping.await;
        Served::Ok(())
    }));
    let bound = bound.await.unwrap();
    let snapshot = until("it is registered", &mut seen, |s| s.len() == 1).await;
    let instance = snapshot.iter().next().unwrap();
    assert_ne!(bound.port(), 0);
    assert_eq!(instance.address().socket_addr(), Some(bound));
    assert_eq!((instance.weight(), instance.has_tag("v1")), (7, true));
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_advertised_is_registered_instead() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.advertise("book.example:80").drain(Duration::ZERO).run(idle));
    until_ids("it is registered", &mut seen, &["book.example:80"]).await;
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_deregistered_and_its_error_returned() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let fail = Arc::new(Notify::new());
    let failing = Arc::clone(&fail);
    let running = tokio::spawn(life.lifecycle.run(async move |_listener, _stopping| {
        failing.notified().await;
        Err(io::Error::other("it broke"))
    }));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    let failed = Instant::now();
    fail.notify_one();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, LifecycleError::Serve(_)), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "it broke");
    until_ids("it is gone", &mut seen, &[]).await;
    assert_eq!(failed.elapsed().as_secs(), 0, "nobody is served any more, so nobody is waited for");
    assert_eq!(life.told.words(), ["listening", "registered", "deregistered"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_while_it_drains_leaves_at_once() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let fail = Arc::new(Notify::new());
    let failing = Arc::clone(&fail);
    let running =
        tokio::spawn(life.lifecycle.drain(Duration::from_secs(600)).run(async move |_listener, _stopping| {
            failing.notified().await;
            Err(io::Error::other("it broke"))
        }));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    life.stop.send(()).unwrap();
    until("it is draining", &mut seen, |s| s.iter().any(|i| i.health() == Health::Draining)).await;
    let failed = Instant::now();
    fail.notify_one();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, LifecycleError::Serve(_)), "{error:?}");
    assert!(failed.elapsed() < Duration::from_secs(1), "{:?}", failed.elapsed());
    until_ids("it is gone", &mut seen, &[]).await;
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_deregistered() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let end = Arc::new(Notify::new());
    let ending = Arc::clone(&end);
    let running = tokio::spawn(life.lifecycle.run(async move |_listener, _stopping| {
        ending.notified().await;
        Served::Ok(())
    }));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    end.notify_one();
    running.await.unwrap().unwrap();
    until_ids("it is gone", &mut seen, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_at_the_start_keeps_nobody_from_serving() {
    let life = Life::new();
    life.registry.set_down(true);
    let mut readiness = life.lifecycle.readiness();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.drain(Duration::ZERO).run(idle));
    assert_eq!(readiness.reached(Phase::Ready).await, Phase::Ready);
    tokio::time::sleep(Duration::from_secs(60)).await;
    life.registry.set_down(false);
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(life.told.words(), ["listening", "not", "registered", "deregistered", "finishing", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_registry_is_ready_once_it_is_registered() {
    let life = Life::new();
    life.registry.set_down(true);
    let mut readiness = life.lifecycle.readiness();
    let lifecycle = life.lifecycle.wait(Duration::from_secs(60)).drain(Duration::ZERO);
    let running = tokio::spawn(lifecycle.run(idle));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(readiness.phase(), Phase::Starting);
    life.registry.set_down(false);
    assert_eq!(readiness.reached(Phase::Ready).await, Phase::Ready);
    // The limit is for the first acceptance.
    life.registry.set_down(true);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(readiness.is_ready());
    life.registry.set_down(false);
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_has_waited_long_enough_gives_up_and_says_what_was_in_the_way() {
    let life = Life::new();
    life.registry.set_down(true);
    let began = Instant::now();
    // Its server does not even stop when it is told to.
    let endless = async |_: TcpListener, _: Stopping| -> Served { std::future::pending().await };
    let lifecycle = life.lifecycle.wait(Duration::from_secs(10)).finish(Duration::from_secs(1));
    let error = lifecycle.run(endless).await.unwrap_err();
    let LifecycleError::NotAccepted { within, source: Some(cause) } = &error else { panic!("{error:?}") };
    assert_eq!((within.as_secs(), cause.kind()), (10, ErrorKind::Unavailable));
    assert!(began.elapsed() <= Duration::from_secs(14), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dead_registry_delays_the_end_by_three_seconds_at_most() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.drain(Duration::from_secs(600)).run(idle));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    life.registry.set_down(true);
    let asked = Instant::now();
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(3), "{:?}", asked.elapsed());
    let words = life.told.words();
    assert_eq!(words[words.len() - 3..], ["not", "finishing", "stopped"], "{words:?}");
}

#[tokio::test]
async fn a_registry_where_nothing_can_be_registered_is_an_error_before_anything_is_served() {
    for url in ["static://h:1", "file:///s.yaml"] {
        let lifecycle = Lifecycle::connect("book", url).unwrap().stop_on_enter(false);
        let outcome = lifecycle.run(async |_, _| -> Served { panic!("it is served") }).await;
        let Err(LifecycleError::Registry(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn bad_input_is_an_error_before_anything_is_served() {
    let serve = async |_: TcpListener, _: Stopping| -> Served { panic!("it is served") };
    let name = Lifecycle::connect("a/b", "memory://").unwrap().stop_on_enter(false);
    assert!(matches!(name.run(serve).await, Err(LifecycleError::Registry(_))));
    let address = Life::new().lifecycle.advertise("0.0.0.0");
    assert!(matches!(address.run(serve).await, Err(LifecycleError::Registry(_))));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = Life::new().lifecycle.listen(taken.local_addr().unwrap());
    let error = listen.run(serve).await.unwrap_err();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
    assert!(Lifecycle::connect("book", "ectd://h").is_err());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_left_after_its_time() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.run(async |_, _| -> Served { std::future::pending().await }));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    let asked = Instant::now();
    life.stop.send(()).unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "requests were still running after 20s");
    assert_eq!(asked.elapsed().as_secs(), 25, "5 s of drain, 20 s to finish");
    until_ids("it is gone all the same", &mut seen, &[]).await;
}

#[tokio::test]
async fn one_whose_id_another_takes_serves_on_and_leaves_the_others_entry_alone() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.advertise("h:1").drain(Duration::ZERO).run(idle));
    life.told.says("registered").await;
    until_ids("it is registered", &mut seen, &["h:1"]).await;
    let newer = Instance::new("h:1".parse::<Address>().unwrap()).with_weight(9);
    let _kept = life.connection.register(Registration::new("book", newer)).await.unwrap();
    life.told.says("superseded:").await;
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(seen.known().await.get("h:1").unwrap().weight(), 9);
}

#[tokio::test]
async fn dropping_a_life_takes_its_registration_back() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let running = tokio::spawn(life.lifecycle.run(idle));
    life.told.says("registered").await;
    until("it is registered", &mut seen, |s| s.len() == 1).await;
    running.abort();
    until_ids("it is gone", &mut seen, &[]).await;
    drop(life.stop);
}

#[tokio::test]
async fn with_axum_a_request_that_runs_is_finished_and_its_health_endpoint_tells_readiness() {
    let life = Life::new();
    let mut seen = life.subscribe();
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (working, end) = (Arc::clone(&begun), Arc::clone(&finish));
    let (ready, readiness) = (life.lifecycle.readiness(), life.lifecycle.readiness());
    let app = Router::new().route("/ready", get(async move || if ready.is_ready() { "yes" } else { "no" })).route(
        "/work",
        get(async move || {
            working.notify_one();
            end.notified().await;
            "done"
        }),
    );
    let running = tokio::spawn(life.lifecycle.drain(Duration::from_millis(300)).run(async |listener, stopping| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app).with_graceful_shutdown(stopping).await
    }));
    let snapshot = until("it is registered", &mut seen, |s| s.len() == 1).await;
    let address = snapshot.iter().next().unwrap().address().socket_addr().unwrap();
    assert!(asked(address, "/ready").await.ends_with("yes"));
    let work = tokio::spawn(asked(address, "/work"));
    soon("the request runs", begun.notified()).await;

    life.stop.send(()).unwrap();
    until_ids("it is gone", &mut seen, &[]).await;
    assert!(!readiness.is_ready());
    finish.notify_one();
    assert!(soon("the request is finished", work).await.unwrap().ends_with("done"));
    soon("it has stopped", running).await.unwrap().unwrap();
}

async fn asked(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: book\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn every_clone_of_the_word_to_stop_resolves_and_resolves_again() {
    let life = Life::new();
    let running = tokio::spawn(life.lifecycle.drain(Duration::ZERO).run(async |_, stopping: Stopping| {
        let mut other = stopping.clone();
        stopping.await;
        (&mut other).await;
        other.await;
        Served::Ok(())
    }));
    life.stop.send(()).unwrap();
    soon("it has stopped", running).await.unwrap().unwrap();
}

#[test]
fn a_life_can_be_lived_on_another_thread() {
    fn sendable<T: Send>(_: T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    sendable(Life::new().lifecycle.run(idle));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_registered_does_not_say_that_it_was_deregistered() {
    let life = Life::new();
    life.registry.set_down(true);
    let mut readiness = life.lifecycle.readiness();
    let running = tokio::spawn(life.lifecycle.run(idle));
    readiness.reached(Phase::Ready).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = Instant::now();
    life.stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(life.told.words(), ["listening", "not", "finishing", "stopped"]);
}
