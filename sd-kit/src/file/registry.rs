//! A file as a registry: what core supervises.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    Backoff, CatalogPublisher, Error, Freshness, Grant, Lost, ProbeReport, Publisher, Record, Registry, ServiceName,
    default_randomness, defaults,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::follow::{Reading, follow, is_same, read};

pub(super) const NAME: &str = "file";

/// A session that ended begins again after at most this; it then waits for the file, so nothing is hammered.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn backoff() -> Backoff {
    Backoff::new(PAUSE, PAUSE, default_randomness()).with_first_spread(PAUSE)
}

/// A file, and the one task that follows it for all who watch.
#[derive(Debug)]
pub(super) struct FileRegistry {
    path: PathBuf,
    readings: watch::Receiver<Reading>,
    following: JoinHandle<()>,
}

impl FileRegistry {
    /// # Errors
    /// `Config` outside a tokio runtime.
    pub(super) fn start(path: PathBuf, poll: Duration) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::config("connect inside a tokio runtime").with_source(error))?;
        let (sender, readings) = watch::channel(Reading::Unread);
        let following = runtime.spawn(follow(path.clone(), poll, sender));
        Ok(Self { path, readings, following })
    }

    /// Takes readings one after another to a subscription's write half, and says why it can't go on.
    async fn feed(&self, freshness: impl Fn() -> Freshness + Send, replace: impl Fn(&Reading) + Send) -> Error {
        let mut readings = self.readings.clone();
        loop {
            let reading = readings.borrow_and_update().clone();
            match &reading {
                Reading::Unread => {}
                Reading::Good(_) => replace(&reading),
                Reading::Broken { last, error } => {
                    // One who came during the trouble knows nothing yet, and gets what was last known.
                    if freshness().is_pending() && last.is_some() {
                        replace(&reading);
                    }
                    // What it has been told already must not break the session again: it waits for something new.
                    if !freshness().error().is_some_and(|told| is_same(told, error)) {
                        return error.clone();
                    }
                }
            }
            if readings.changed().await.is_err() {
                // This registry owns what follows the file, so only the end of the runtime can have ended it: no trouble.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for FileRegistry {
    fn drop(&mut self) {
        self.following.abort();
    }
}

fn read_only(operation: &'static str) -> Error {
    Error::unsupported("a file is read, never written; change it by hand or by whatever writes it")
        .with_backend(NAME)
        .during(operation)
}

#[async_trait]
impl Registry for FileRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Nothing in a file expires; this bounds how long this process may stand still unnoticed.
    fn ttl(&self) -> Duration {
        defaults::TTL
    }

    fn carries_details(&self) -> bool {
        true
    }

    fn check(&self, _record: &Record) -> Result<(), Error> {
        Err(read_only("register"))
    }

    async fn put(&self, _record: &Record, _prior: Option<&Grant>) -> Result<Grant, Error> {
        Err(read_only("register"))
    }

    async fn held(&self, _record: &Record, _grant: &Grant) -> Lost {
        Lost::Gone(read_only("register"))
    }

    async fn update(&self, _record: &Record, _grant: &Grant) -> Result<(), Error> {
        Err(read_only("update"))
    }

    async fn remove(&self, _record: &Record) -> Result<(), Error> {
        Err(read_only("deregister"))
    }

    async fn watch(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let replace = |reading: &Reading| {
            if let Some(services) = reading.services() {
                publisher.replace(services.of(service));
            }
        };
        self.feed(|| publisher.current().freshness().clone(), replace).await
    }

    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        let mut readings = self.readings.clone();
        let read = readings.wait_for(|reading| !matches!(reading, Reading::Unread));
        match timeout(defaults::REQUEST_TIMEOUT, read).await {
            Ok(Ok(reading)) => match &*reading {
                Reading::Broken { error, .. } => Err(error.clone()),
                reading => Ok(reading.services().map(|services| services.names().collect()).unwrap_or_default()),
            },
            _ => Err(too_slow("list services")),
        }
    }

    async fn watch_services(&self, publisher: &CatalogPublisher) -> Error {
        let replace = |reading: &Reading| {
            if let Some(services) = reading.services() {
                publisher.replace(services.names().collect());
            }
        };
        self.feed(|| publisher.subscribe().snapshot().freshness().clone(), replace).await
    }

    async fn drain(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(read_only("drain"))
    }

    async fn deregister(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(read_only("deregister"))
    }

    /// Reads the file, and understands it.
    async fn probe(&self) -> Result<ProbeReport, Error> {
        let (path, began) = (self.path.clone(), Instant::now());
        let reading = tokio::task::spawn_blocking(move || read(&path).map(drop));
        match timeout(defaults::REQUEST_TIMEOUT, reading).await {
            Ok(Ok(result)) => result.map(|()| ProbeReport::new(began.elapsed(), "", self.path.to_string_lossy())),
            _ => Err(too_slow("probe")),
        }
    }
}

fn too_slow(operation: &'static str) -> Error {
    let limit = defaults::REQUEST_TIMEOUT;
    Error::unavailable(format!("the file was not read within {limit:?}")).with_backend(NAME).during(operation)
}
