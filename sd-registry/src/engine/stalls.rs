//! Times when the centre itself stood still: leases must not lapse for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::engine::clock::{Clock, Millis};

const BEAT: Duration = Duration::from_millis(250);
/// A machine under load may be late by less than this, and it means nothing.
const STALL_MS: Millis = 1_500;

/// Notices that this process stood still (stopped, swapped out, a laptop asleep): nobody could renew then.
#[derive(Debug)]
pub(crate) struct Stalls {
    clock: Clock,
    last_beat: AtomicU64,
    ended: AtomicU64,
}

impl Stalls {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, last_beat: AtomicU64::new(clock.now()), ended: AtomicU64::new(0) })
    }

    /// Looks at the clock until the engine is gone.
    pub(crate) async fn watch(stalls: std::sync::Weak<Self>) {
        loop {
            tokio::time::sleep(BEAT).await;
            let Some(stalls) = stalls.upgrade() else { return };
            stalls.observe();
        }
    }

    /// When the newest stall ended; zero when there was none.
    pub(crate) fn observe(&self) -> Millis {
        let now = self.clock.now();
        let before = self.last_beat.swap(now, SeqCst);
        if now.saturating_sub(before) > STALL_MS {
            tracing::warn!(for_ms = now - before, "the centre stood still; leases get their TTL once more");
            self.ended.store(now, SeqCst);
        }
        self.ended.load(SeqCst)
    }
}
