//! The wall clock and the CPU clock.

use std::time::Duration;

/// A started stopwatch. Comparable across threads of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::disallowed_types, reason = "we measure real time, never tokio's")]
pub struct Stopwatch(std::time::Instant);

#[allow(clippy::disallowed_types, reason = "we measure real time, never tokio's")]
impl Stopwatch {
    /// Starts now.
    #[inline]
    #[must_use]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    #[inline]
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Time from this start to a later one (zero if it was earlier).
    #[must_use]
    pub fn until(&self, later: Self) -> Duration {
        later.0.saturating_duration_since(self.0)
    }
}

/// The CPU time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
