//! What stands in the log of an outage. A file of its own, and so a process of its own: another test on another thread
//! may be the first to meet a log statement, while nobody listens, and then it is remembered as one that nobody wants.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sd_core::{
    Address, Catalog as _, Connection, Instance, Instancer as _, MemoryRegistry, Registrar as _, Registration,
    ServiceName,
};
use tokio::time::{sleep, timeout};

const HOUR: Duration = Duration::from_secs(3600);

fn instance() -> Instance {
    Instance::new("127.0.0.1:80".parse::<Address>().unwrap())
}

/// Counts what core logs.
struct Lines(Arc<AtomicUsize>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("sd_core") && *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}
    fn event(&self, _event: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _span: &tracing::span::Id) {}
    fn exit(&self, _span: &tracing::span::Id) {}
}

/// "An hour's outage is at most 20 lines per connection", with many watches and registrations.
#[tokio::test(start_paused = true)]
async fn an_hour_of_outage_is_at_most_twenty_lines() {
    let lines = Arc::new(AtomicUsize::new(0));
    let _logging = tracing::subscriber::set_default(Lines(Arc::clone(&lines)));
    let registry = MemoryRegistry::new();
    let connection = Connection::builder(Arc::new(registry.clone())).build().unwrap();
    let services: Vec<ServiceName> = (0..50).map(|number| format!("service-{number}").parse().unwrap()).collect();
    let mut subscriptions: Vec<_> = services.iter().map(|service| connection.subscribe(service)).collect();
    for subscription in &mut subscriptions {
        subscription.known().await;
    }
    let _catalog = connection.subscribe_services();
    registry.set_down(true);
    let mut handles: Vec<_> = services
        .iter()
        .map(|service| connection.register_in_background(Registration::new(service.as_str(), instance())).unwrap())
        .collect();
    sleep(HOUR).await;
    assert!(subscriptions.iter().all(|subscription| subscription.snapshot().freshness().is_stale()));
    registry.set_down(false);
    for handle in &mut handles {
        timeout(HOUR, handle.accepted()).await.unwrap().unwrap();
    }
    sleep(HOUR).await;
    assert!(subscriptions.iter().all(|subscription| subscription.snapshot().freshness().is_live()));
    let counters = connection.counters();
    assert!(
        counters.watch_failures > 1000 && counters.register_failures > 1000,
        "counters tell the rest: {counters:?}"
    );
    let lines = lines.load(Ordering::SeqCst);
    assert!((2..=20).contains(&lines), "{lines} lines");
}
