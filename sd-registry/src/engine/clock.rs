//! Time as a number that fits an atomic.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the centre started.
pub(crate) type Millis = u64;

/// Monotonic, and tokio's, so that tests can pause it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        millis(self.origin.elapsed())
    }

    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.origin + Duration::from_millis(at)
    }
}

/// What the calendar says now, in milliseconds since 1970, to be shown to people: it may jump, so nothing is decided by it.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Whole milliseconds; more than fit are as good as for ever.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
