//! How busy an instance is, and the ticket that counts one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::members::Member;

/// The time over which an observed latency loses its weight: Finagle's default for peak EWMA.
const DECAY: Duration = Duration::from_secs(10);

/// Names one (id, address) of an endpointer. Small and `Copy`; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey(pub(crate) u64);

/// How busy one instance is, as seen from this process. Belongs to the (id, address) and survives every rebuild.
#[derive(Debug)]
pub struct Load {
    key: InstanceKey,
    in_flight: AtomicU32,
    failures_in_a_row: AtomicU32,
    /// The bits of an `f64`: nanoseconds.
    latency: AtomicU64,
    /// When `latency` was written: nanoseconds since the ticket's clock began.
    observed_at: AtomicU64,
}

impl Load {
    pub(crate) fn new(key: InstanceKey) -> Self {
        Self {
            key,
            in_flight: AtomicU32::new(0),
            failures_in_a_row: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            observed_at: AtomicU64::new(0),
        }
    }

    /// The (id, address) it belongs to.
    #[inline]
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.key
    }

    /// Requests that are under way.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// The latency's moving average, newer ones weighing more (decay 10 s); `None` before the first.
    ///
    /// It is measured only while the balancer asks for it. Two that are observed at the same instant may lose one of
    /// them: an average does not need every one.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let nanos = f64::from_bits(self.latency.load(Ordering::Relaxed));
        (nanos > 0.0).then(|| Duration::from_nanos(nanos as u64))
    }

    fn observe(&self, latency: Duration, now: Instant, origin: Instant) {
        let stamp = now.saturating_duration_since(origin).as_nanos() as u64;
        let elapsed = stamp.saturating_sub(self.observed_at.swap(stamp, Ordering::Relaxed));
        let before = f64::from_bits(self.latency.load(Ordering::Relaxed));
        let keep = if before > 0.0 { (-(elapsed as f64) / DECAY.as_nanos() as f64).exp() } else { 0.0 };
        let next = before * keep + (latency.as_nanos() as f64).max(1.0) * (1.0 - keep);
        self.latency.store(next.to_bits(), Ordering::Relaxed);
    }
}

/// How a request ended, for the instance's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The instance answered.
    Success,
    /// It did not, or answered that it can't.
    Failure,
}

/// Counts one request of an instance until it is complete. Dropping it without an outcome says that the caller gave up.
#[derive(Debug)]
#[must_use = "the request counts as over when the ticket is dropped"]
pub struct Ticket {
    member: Arc<Member>,
    /// When the request began, and where the endpointer's clock began; only where latency is asked for.
    clock: Option<(Instant, Instant)>,
}

impl Ticket {
    #[inline]
    pub(crate) fn new(member: Arc<Member>, origin: Option<Instant>) -> Self {
        member.load().in_flight.fetch_add(1, Ordering::Relaxed);
        Self { member, clock: origin.map(|origin| (Instant::now(), origin)) }
    }

    /// The instance that serves the request.
    #[inline]
    #[must_use]
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Says how the request ended.
    #[inline]
    pub fn complete(self, outcome: Outcome) {
        let load = self.member.load();
        match outcome {
            // Read before written: the word is shared by all threads, and nearly always zero.
            Outcome::Success if load.failures_in_a_row() == 0 => {}
            Outcome::Success => load.failures_in_a_row.store(0, Ordering::Relaxed),
            Outcome::Failure => drop(load.failures_in_a_row.fetch_add(1, Ordering::Relaxed)),
        }
        if let Some((started, origin)) = self.clock {
            let now = Instant::now();
            load.observe(now - started, now, origin);
        }
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        self.member.load().in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Instance;

    fn member() -> Arc<Member> {
        let instance = Instance::new(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        Arc::new(Member::new(Arc::new(instance), Arc::new(Load::new(InstanceKey(7)))))
    }

    #[tokio::test(start_paused = true)]
    async fn tickets_count_and_outcomes_are_kept() {
        let member = member();
        let (first, second) = (Ticket::new(member.clone(), None), Ticket::new(member.clone(), None));
        assert_eq!(member.load().in_flight(), 2);
        first.complete(Outcome::Failure);
        drop(second);
        assert_eq!((member.load().in_flight(), member.load().failures_in_a_row()), (0, 1));
        Ticket::new(member.clone(), None).complete(Outcome::Success);
        assert_eq!((member.load().failures_in_a_row(), member.load().latency()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_follows_what_is_observed_and_forgets_the_old() {
        let member = member();
        let origin = Instant::now();
        let observe = async |millis| {
            let ticket = Ticket::new(member.clone(), Some(origin));
            tokio::time::advance(Duration::from_millis(millis)).await;
            ticket.complete(Outcome::Success);
            member.load().latency().unwrap().as_millis()
        };
        assert_eq!(observe(100).await, 100);
        let after_one = observe(300).await;
        assert!((100..120).contains(&after_one), "{after_one}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!((290..=300).contains(&observe(300).await));
    }
}
