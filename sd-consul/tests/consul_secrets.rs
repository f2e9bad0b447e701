//! What stands in the log. A file of its own, and so a process of its own: it listens to everything that anybody logs.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sd_consul::ConsulConfig;
use sd_core::{Instancer as _, Probe as _, Registrar as _, Secret};
use sd_testkit::samples::registration;
use sd_testkit::waiting::{soon, until};
use support::fake::{FakeAgent, Reply, entries};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Neither the token nor a check's header stands anywhere, whatever level is asked for and whatever goes wrong; and an
/// outage is no stream of lines: rustify, executed as consulrs does, logs an error for every request that fails.
#[tokio::test]
async fn no_secret_is_logged_and_an_outage_is_a_few_lines() {
    let (log, loud) = (Log::default(), Log::default());
    let everything = loud.clone();
    let seen = log.clone();
    use tracing_subscriber::fmt::writer::MakeWriterExt as _;
    let info = (move || seen.clone()).with_max_level(tracing::Level::INFO);
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(info.and(move || everything.clone()))
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let agent = FakeAgent::start(|target, _| match target {
        target if target.contains("health/service") => Reply::List(1, entries(1..2)),
        target if target.contains("register") => Reply::Status(200, ""),
        target if target.contains("agent/self") => Reply::Status(403, "ACL not found"),
        _ => Reply::Status(500, "broken"),
    })
    .await;
    let config = ConsulConfig::new(agent.address.to_string()).ttl(Duration::from_secs(2)).wait(Duration::from_secs(1));
    let config = config.token(Secret::new("hunter2-token")).check_header("Authorization", "hunter2-header");
    let config = config.check(sd_consul::CheckKind::Http);
    let shown = format!("{config:?}");
    let registry = config.connect().unwrap();
    let error = registry.probe().await.unwrap_err();
    let handle = soon("register", registry.register(registration(&"web".parse().unwrap(), "a", 80))).await.unwrap();
    let mut watcher = registry.subscribe(&"web".parse().unwrap());
    until("known", &mut watcher, |snapshot| snapshot.len() == 1).await;
    let address = agent.address;
    drop(agent);
    until("stale", &mut watcher, |snapshot| snapshot.freshness().is_stale()).await;
    let shown = format!("{shown} {error} {error:?} {registry:?} {handle:?} {:?}", watcher.snapshot());
    assert!(!shown.contains("hunter2"), "{shown}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let everything = String::from_utf8(loud.0.lock().unwrap().clone()).unwrap();
    assert!(everything.contains(&address.to_string()), "nothing was logged");
    assert!(!everything.contains("hunter2"), "a secret was logged");
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(lines.lines().count() <= 20, "{lines}");
}
