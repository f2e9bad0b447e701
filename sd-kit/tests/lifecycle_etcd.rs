//! A server's life on a real etcd, which dies, falls silent, and comes later.

#![cfg(feature = "etcd")]
#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use sd_kit::sd_core::{Backend, Health, ServiceName, Subscription};
use sd_kit::{Lifecycle, LifecycleError, LifecycleEvent, Stopping};
use sd_testkit::etcd::EtcdServer;
use sd_testkit::waiting::{soon, until, until_ids};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What a machine that is busy with other tests may add.
const SLACK: Duration = Duration::from_secs(5);
/// Far longer than any bound here: whoever waits for it is found out.
const LONG_DRAIN: Duration = Duration::from_secs(600);

struct Life {
    running: JoinHandle<Result<(), LifecycleError>>,
    stop: Arc<Notify>,
    events: mpsc::UnboundedReceiver<String>,
}

impl Life {
    fn start(etcd: &EtcdServer, drain: Duration) -> Self {
        Self::start_at(&url(etcd), drain)
    }

    fn start_at(url: &str, drain: Duration) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let (tell, events) = mpsc::unbounded_channel();
        let lifecycle = Lifecycle::connect("book", url).unwrap();
        let lifecycle = lifecycle.drain(drain).stop_on_enter(false).stop_when(async move { stopped.notified().await });
        let lifecycle = lifecycle.on_event(move |event: &LifecycleEvent| drop(tell.send(event.to_string())));
        Self { running: tokio::spawn(lifecycle.run(serve)), stop, events }
    }

    async fn said(&mut self, beginning: &str) -> String {
        loop {
            let line = soon(beginning, self.events.recv()).await.unwrap();
            if line.starts_with(beginning) {
                return line;
            }
        }
    }
}

async fn serve(_listener: TcpListener, stopping: Stopping) -> Result<(), std::io::Error> {
    stopping.await;
    Ok(())
}

fn url(etcd: &EtcdServer) -> String {
    format!("etcd://{}?ttl=2s", etcd.endpoint())
}

fn watched(etcd: &EtcdServer) -> (Arc<dyn Backend>, Subscription) {
    let registry = sd_kit::connect(&url(etcd)).unwrap();
    let subscription = registry.subscribe(&"book".parse::<ServiceName>().unwrap());
    (registry, subscription)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_it_come_drain_and_go() {
    let Some(etcd) = EtcdServer::start("a_watcher_sees_it_come_drain_and_go").await else { return };
    let (_registry, mut seen) = watched(&etcd);
    let mut life = Life::start(&etcd, LONG_DRAIN);
    life.said("registered").await;
    let snapshot = until("it has come", &mut seen, |s| s.len() == 1).await;
    assert_eq!(snapshot.iter().next().unwrap().health(), Health::Up);
    life.stop.notify_one();
    // It drains for longer than anybody waits, so nobody has to be quick to see it.
    until("it drains", &mut seen, |s| s.iter().any(|i| i.health() == Health::Draining)).await;
    life.running.abort();
    until_ids("it is gone", &mut seen, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_was_killed_delays_the_end_by_three_seconds_at_most() {
    let Some(etcd) = EtcdServer::start("an_etcd_that_was_killed").await else { return };
    let mut life = Life::start(&etcd, LONG_DRAIN);
    life.said("registered").await;
    etcd.kill();
    let asked = Instant::now();
    life.stop.notify_one();
    life.said("not deregistered").await;
    soon("it has stopped", life.running).await.unwrap().unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(3) + SLACK, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_mute_delays_the_end_by_three_seconds_at_most() {
    let Some(etcd) = EtcdServer::start("an_etcd_that_is_mute").await else { return };
    let mut life = Life::start(&etcd, LONG_DRAIN);
    life.said("registered").await;
    etcd.pause();
    let asked = Instant::now();
    life.stop.notify_one();
    life.said("not deregistered").await;
    soon("it has stopped", life.running).await.unwrap().unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(3) + SLACK, "{:?}", asked.elapsed());
    etcd.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_starts_before_its_etcd_is_registered_when_that_comes_and_again_when_it_comes_back() {
    let Some(etcd) = EtcdServer::start("one_that_starts_before_its_etcd").await else { return };
    etcd.kill();
    let mut life = Life::start(&etcd, Duration::ZERO);
    life.said("listening").await;
    life.said("not registered").await;
    etcd.restart().await;
    life.said("registered").await;
    etcd.restart_empty().await;
    life.said("not registered").await;
    life.said("registered").await;
    life.stop.notify_one();
    life.said("deregistered").await;
    soon("it has stopped", life.running).await.unwrap().unwrap();
    assert!(etcd.gateway().list("/services/book/").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_codec_that_carries_no_health_it_is_taken_back_first_and_serves_on_while_clients_notice() {
    let Some(etcd) = EtcdServer::start("with_a_codec_that_carries_no_health").await else { return };
    let (_registry, mut seen) = watched(&etcd);
    let mut life = Life::start_at(&format!("{}&codec=plain", url(&etcd)), Duration::from_secs(1));
    life.said("registered").await;
    until("it has come", &mut seen, |s| s.len() == 1).await;
    let asked = Instant::now();
    life.stop.notify_one();
    until_ids("it is gone", &mut seen, &[]).await;
    soon("it has stopped", life.running).await.unwrap().unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1), "it did not serve on: {:?}", asked.elapsed());
}
