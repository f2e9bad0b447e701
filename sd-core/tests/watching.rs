//! How core supervises watches: sessions that break as a script says, on paused time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    Address, CatalogPublisher, Connection, Error, ErrorKind, Grant, Instance, Instancer as _, Lost, ProbeReport,
    Publisher, Record, Registry, SeededRandomness, ServiceName,
};
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep, timeout};

const HOUR: Duration = Duration::from_secs(3600);

/// Its watches publish one instance and then break at once, or when told, or never come about.
#[derive(Debug)]
struct Breaking {
    /// Sessions that fail before they have published anything.
    failures: AtomicUsize,
    /// When sessions began, and how many run now.
    began: Mutex<Vec<Instant>>,
    running: Arc<AtomicUsize>,
    break_now: Notify,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Breaking {
    fn after_failures(failures: usize) -> Arc<Self> {
        Arc::new(Self {
            failures: AtomicUsize::new(failures),
            began: Mutex::default(),
            running: Arc::default(),
            break_now: Notify::new(),
        })
    }

    fn sessions(&self) -> usize {
        self.began.lock().unwrap().len()
    }
}

fn unsupported<T>() -> Result<T, Error> {
    Err(Error::unsupported("watched only"))
}

#[async_trait]
impl Registry for Breaking {
    fn name(&self) -> &'static str {
        "breaking"
    }
    fn ttl(&self) -> Duration {
        Duration::from_secs(10)
    }
    fn carries_details(&self) -> bool {
        true
    }
    fn check(&self, _record: &Record) -> Result<(), Error> {
        Ok(())
    }
    async fn put(&self, _record: &Record, _prior: Option<&Grant>) -> Result<Grant, Error> {
        unsupported()
    }
    async fn held(&self, _record: &Record, _grant: &Grant) -> Lost {
        std::future::pending().await
    }
    async fn update(&self, _record: &Record, _grant: &Grant) -> Result<(), Error> {
        unsupported()
    }
    async fn remove(&self, _record: &Record) -> Result<(), Error> {
        unsupported()
    }
    async fn watch(&self, _service: &ServiceName, publisher: &Publisher) -> Error {
        self.began.lock().unwrap().push(Instant::now());
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        let fails = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails {
            return Error::new(ErrorKind::Unauthorized, "not yet");
        }
        // Reading takes its time.
        sleep(Duration::from_millis(2)).await;
        publisher.replace([Arc::new(instance())]);
        self.break_now.notified().await;
        Error::unavailable("it broke")
    }
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        unsupported()
    }
    async fn watch_services(&self, _publisher: &CatalogPublisher) -> Error {
        Error::unavailable("never")
    }
    async fn drain(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        unsupported()
    }
    async fn deregister(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        unsupported()
    }
    async fn probe(&self) -> Result<ProbeReport, Error> {
        unsupported()
    }
}

fn instance() -> Instance {
    Instance::new("127.0.0.1:80".parse::<Address>().unwrap())
}

fn connection(registry: &Arc<Breaking>) -> Connection {
    let registry: Arc<dyn Registry> = Arc::clone(registry) as _;
    Connection::builder(registry).randomness(Arc::new(SeededRandomness::new(7))).build().unwrap()
}

fn book() -> ServiceName {
    "book".parse().unwrap()
}

/// go-kit's ZooKeeper instancer is dead after one failed read; here there is no limit of attempts, whatever the error.
#[tokio::test(start_paused = true)]
async fn go_kit_zk_one_failed_read_does_not_end_the_watch_nor_do_a_thousand() {
    let registry = Breaking::after_failures(1000);
    let mut subscription = connection(&registry).subscribe(&book());
    let known = timeout(HOUR * 24, subscription.known()).await.unwrap();
    assert_eq!(known.len(), 1);
    let began = registry.began.lock().unwrap().clone();
    assert_eq!(began.len(), 1001);
    let gaps: BTreeSet<_> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.last().unwrap() <= &Duration::from_secs(11), "{gaps:?}");
    assert!(gaps.len() > 500, "no jitter: {} different gaps", gaps.len());
    let mean = (began[1000] - began[500]) / 500;
    assert!(mean > Duration::from_secs(4) && mean < Duration::from_secs(6), "uniform up to 10 s: {mean:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_retry_of_many_watches_is_spread_over_a_second() {
    let mut delays = Vec::new();
    for seed in 0..100 {
        let registry = Breaking::after_failures(0);
        let dynamic: Arc<dyn Registry> = Arc::clone(&registry) as _;
        let connection =
            Connection::builder(dynamic).randomness(Arc::new(SeededRandomness::new(seed))).build().unwrap();
        let mut subscription = connection.subscribe(&book());
        subscription.known().await;
        sleep(HOUR).await;
        let broke = Instant::now();
        registry.break_now.notify_one();
        while registry.sessions() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        delays.push(registry.began.lock().unwrap()[1] - broke);
    }
    delays.sort();
    assert!(delays[99] <= Duration::from_millis(1005), "{delays:?}");
    assert!(delays[10] < Duration::from_millis(250) && delays[90] > Duration::from_millis(750), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_break_is_stale_with_its_error_and_a_new_session_live_again() {
    let registry = Breaking::after_failures(0);
    let connection = connection(&registry);
    let mut subscription = connection.subscribe(&book());
    let before = subscription.known().await;
    registry.break_now.notify_one();
    loop {
        let snapshot = subscription.changed().await.unwrap();
        if snapshot.freshness().is_stale() {
            assert_eq!(snapshot.freshness().error().unwrap().message(), "it broke");
            assert!(Arc::ptr_eq(snapshot.iter().next().unwrap(), before.iter().next().unwrap()));
            break;
        }
    }
    let live = timeout(HOUR, subscription.changed()).await.unwrap().unwrap();
    assert!(live.freshness().is_live() && live.len() == 1);
    assert_eq!(connection.counters().watch_failures, 1);
}

/// "Cancellation at once": during a session and during a backoff, once the linger is over.
#[tokio::test(start_paused = true)]
async fn a_watch_that_nobody_reads_ends_after_the_linger_whatever_it_is_doing() {
    for failures in [0, usize::MAX] {
        let registry = Breaking::after_failures(failures);
        let connection = connection(&registry);
        let subscription = connection.subscribe(&book());
        sleep(Duration::from_secs(60)).await;
        drop(subscription);
        sleep(Duration::from_secs(29)).await;
        assert_eq!(connection.watched_services(), 1, "it lingers");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(connection.watched_services(), 0);
        assert_eq!(registry.running.load(Ordering::SeqCst), 0);
        let sessions = registry.sessions();
        sleep(HOUR).await;
        assert_eq!(registry.sessions(), sessions, "nothing is tried any more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_ends_its_sessions_at_once() {
    let registry = Breaking::after_failures(0);
    let connection = connection(&registry);
    let mut subscription = connection.subscribe(&book());
    subscription.known().await;
    let clone = connection.clone();
    drop((connection, subscription));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.running.load(Ordering::SeqCst), 1, "a clone is the same connection");
    drop(clone);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(registry.running.load(Ordering::SeqCst), 0);
}

/// "A process that was itself paused beyond its TTL calls its views `Stale` until they are read again."
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_calls_its_views_stale_until_they_are_read_again() {
    let registry = Breaking::after_failures(0);
    let connection = connection(&registry);
    let mut subscription = connection.subscribe(&book());
    subscription.known().await;
    sleep(Duration::from_millis(1)).await;
    // Time jumps without anything having run.
    advance(Duration::from_secs(120)).await;
    let stale = timeout(Duration::from_secs(1), subscription.changed()).await.unwrap().unwrap();
    assert!(stale.freshness().is_stale() && stale.len() == 1, "{stale:?}");
    let live = timeout(Duration::from_secs(1), subscription.changed()).await.unwrap().unwrap();
    assert!(live.freshness().is_live(), "read again at once: {live:?}");
    assert_eq!((connection.counters().pauses, registry.sessions()), (1, 2));
}
