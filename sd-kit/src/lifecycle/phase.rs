//! Where a server is in its life, for those who ask whether it wants requests.

use tokio::sync::watch;

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// It does not serve yet, or waits for its registry.
    Starting,
    /// It wants requests.
    Ready,
    /// It takes requests, and asks those who send them to go elsewhere.
    Draining,
    /// It finishes what runs.
    Finishing,
    /// It has ended.
    Stopped,
}

/// Whether a server wants requests: what a health endpoint says. A clone tells the same.
#[derive(Debug, Clone)]
pub struct Readiness {
    phase: watch::Receiver<Phase>,
}

impl Readiness {
    pub(super) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self { phase }
    }

    /// Whether it wants requests: from when it serves (and, if it was told to wait for its registry, is registered) until
    /// it is told to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Ready
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until it has come as far as `phase`, or further, and says how far.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn reached(&mut self, phase: Phase) -> Phase {
        let reached = self.phase.wait_for(|present| *present >= phase).await.map(|phase| *phase);
        // A server whose `run` was dropped comes no further.
        reached.unwrap_or(Phase::Stopped)
    }
}
