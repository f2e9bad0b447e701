//! One session of watching a service: watched, read whole, and then followed.

use sd_core::{Error, Publisher, ServiceName, defaults, spread};
use tokio::time::Instant;

use crate::error::Failure;
use crate::feed::{Feed, Kind};
use crate::registry::ZooKeeperRegistry;
use crate::view::View;

impl ZooKeeperRegistry {
    /// Publishes the service's instances, then every change, until the connection is lost.
    ///
    /// Nothing is resumed: ZooKeeper keeps no history to go on from, so the next session reads the whole again.
    pub(crate) async fn watch_service(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let path = self.paths.service(service);
        loop {
            // Each pass begins anew, the watch included: that is the audit.
            if let Err(failure) = self.follow(path.clone(), publisher).await {
                return self.learned(failure).error;
            }
        }
    }

    /// One pass, until the next audit is due.
    async fn follow(&self, path: String, publisher: &Publisher) -> Result<(), Failure> {
        let mut view = View::new(&path);
        let mut feed = Feed::open(&self.sessions, path, Kind::Instances, self.one_shot()).await?;
        // Watched first, then read: what changes in between is read twice.
        let names = feed.list().await?;
        let nodes = feed.read(names).await?;
        view.take_up(publisher, nodes);
        publisher.retain_skipped(|path| view.has(path));
        publisher.replace(view.instances());
        let audit = Instant::now() + spread(&*self.randomness, self.audit, defaults::AUDIT_JITTER);
        loop {
            let touched = tokio::select! {
                touched = feed.next() => touched.map_err(broken)?,
                () = tokio::time::sleep_until(audit) => return Ok(()),
            };
            let nodes = feed.read(touched).await?;
            publisher.apply(view.take_up(publisher, nodes));
        }
    }
}

/// The connection is lost.
pub(crate) fn broken(error: Error) -> Failure {
    Failure { error, said: zookeeper_client::Error::ConnectionLoss }
}
