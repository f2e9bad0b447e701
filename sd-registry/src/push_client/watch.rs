//! One session of watching a service: registered as one who requires it, and told by push.

use std::sync::Arc;

use sd_core::{Address, Error, Instance, Publisher, ServiceName, defaults};
use tokio::runtime::Handle;

use super::centre::Centre;
use super::feed::Feed;
use super::listener::OpenFeed;
use super::registry::PushRegistry;

/// The service as which one registers who provides nothing.
const WATCHER: &str = "Watcher";

impl PushRegistry {
    pub(crate) async fn watch_service(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let error = if self.requires.contains(service) {
            self.watch_required(service, publisher).await
        } else {
            self.watch_other(service, publisher).await
        };
        error.with_backend("push").during("watch")
    }

    /// What is registered here is told of it anyway.
    async fn watch_required(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let mut own = self.own.subscribe();
        let feed = match own.wait_for(Option::is_some).await {
            Ok(feed) => feed.clone(),
            Err(_) => None,
        };
        let Some(feed) = feed else { return Error::unavailable("nothing is registered that requires it") };
        let error = self.follow(&feed, service, publisher).await;
        // The next session waits for the next registration, and does not read this one again.
        self.own.send_if_modified(|own| {
            let is_same = own.as_ref().is_some_and(|own| own.number == feed.number);
            if is_same {
                *own = None;
            }
            is_same
        });
        error
    }

    async fn watch_other(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let open = self.listener.open();
        let url = open.own_url.clone();
        // From here on, whatever becomes of this session, the centre is told when it ends.
        let session = Session { centre: self.centre.clone(), runtime: self.runtime.clone(), open };
        let requires = std::slice::from_ref(service);
        match self.centre.register(WATCHER, &url, requires, &session.open).await {
            Ok(()) => self.follow(&session.open.feed, service, publisher).await,
            Err(error) => error,
        }
    }

    /// Publishes what a feed tells of a service, until it falls silent.
    async fn follow(&self, feed: &Arc<Feed>, service: &ServiceName, publisher: &Publisher) -> Error {
        let mut changes = feed.changes();
        let silent = feed.silent(self.silence);
        let told = async {
            loop {
                changes.mark_unchanged();
                publish(feed, service, publisher);
                if changes.changed().await.is_err() {
                    // The sender lives in the feed, which this has.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            error = silent => error,
            () = told => Error::unavailable("nothing more is told"),
        }
    }
}

fn publish(feed: &Feed, service: &ServiceName, publisher: &Publisher) {
    let urls = feed.urls(service.as_str());
    let mut instances = Vec::with_capacity(urls.len());
    for url in &urls {
        let read = url.parse::<Address>().map(Instance::new).and_then(|instance| {
            instance.validate()?;
            Ok(Arc::new(instance))
        });
        match read {
            Ok(instance) => instances.push(instance),
            Err(error) => publisher.skip(url, 0, &error),
        }
    }
    publisher.retain_skipped(|key| urls.iter().any(|url| url == key));
    publisher.replace(instances);
}

/// A registration that provides nothing; taken back when this is dropped, as a best effort.
struct Session {
    centre: Centre,
    runtime: Option<Handle>,
    open: OpenFeed,
}

impl Drop for Session {
    fn drop(&mut self) {
        let (centre, url) = (self.centre.clone(), self.open.own_url.clone());
        if let Some(runtime) = &self.runtime {
            // Bounded, and awaited by nobody: without it the centre asks for heartbeats in vain, and then forgets it.
            drop(runtime.spawn(tokio::time::timeout(defaults::DEREGISTER_TIMEOUT, async move {
                if let Err(error) = centre.deregister(&url).await {
                    tracing::debug!(%error, "a watch could not be taken back");
                }
            })));
        }
    }
}
