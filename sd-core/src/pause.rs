//! Notices that this process stood still: stopped, swapped out, or on a machine that slept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::outage::{Outage, count};

/// Ticks, and says so when a tick came later than a TTL: by then every lease may be gone and every watch behind.
pub(crate) async fn watch_for_pauses(ttl: Duration, outage: Arc<Outage>, pauses: watch::Sender<u64>) {
    let tick = (ttl / 4).max(Duration::from_millis(100));
    loop {
        let before = Instant::now();
        tokio::time::sleep(tick).await;
        if before.elapsed() >= tick + ttl {
            count(&outage.pauses);
            tracing::warn!(paused = ?before.elapsed(), "this process stood still for longer than its TTL");
            pauses.send_modify(|number| *number += 1);
        }
    }
}

/// Resolves when the next pause has been noticed; never, once nobody looks any more. Cancel safe.
pub(crate) async fn next_pause(pauses: &mut watch::Receiver<u64>) {
    if pauses.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
