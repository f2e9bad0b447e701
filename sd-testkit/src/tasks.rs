//! Counting the tasks of this runtime: what is dropped must leave none behind.

use crate::waiting::{PATIENCE, eventually};

/// How many tasks this runtime had when it was counted.
#[derive(Debug, Clone, Copy)]
pub struct TaskCount(usize);

impl TaskCount {
    /// Counts now.
    #[must_use]
    pub fn now() -> Self {
        Self(alive())
    }

    /// Waits until there are no more tasks than there were.
    ///
    /// # Panics
    /// When there are still more after [`PATIENCE`].
    pub async fn restored(self, what: &str) {
        let mut last = alive();
        let what = format!("{what}: back to {} tasks (within {PATIENCE:?})", self.0);
        eventually(&what, async || {
            last = alive();
            last <= self.0
        })
        .await;
    }

    /// How many tasks there are beyond those counted.
    #[must_use]
    pub fn further(self) -> usize {
        alive().saturating_sub(self.0)
    }
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
