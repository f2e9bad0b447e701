//! How busy an instance is, and the ticket that counts one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::instance::Instance;

/// The time over which an observed latency loses its weight: Finagle's default for peak EWMA.
const DECAY: Duration = Duration::from_secs(10);

/// Names one (id, address) of an endpointer. Small and `Copy`; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey(pub(crate) u64);

/// How busy one instance is, as seen from this process. Belongs to the (id, address) and survives every rebuild.
///
/// Whoever looks at it has one of these; whoever calls has a [`Ticket`], which is a further count on the same tally.
/// So a request writes one word to begin and to end, and that word is the reference count that it needs anyway.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct Tally {
    key: InstanceKey,
    /// How many of the counts on this tally are [`Load`]s; the others are requests.
    looking: AtomicU32,
    failures_in_a_row: AtomicU32,
    /// The bits of an `f64`: nanoseconds.
    latency: AtomicU64,
    /// When `latency` was written: nanoseconds since the ticket's clock began.
    observed_at: AtomicU64,
    /// The newest that is known of the instance.
    instance: ArcSwap<Instance>,
}

impl Load {
    pub(crate) fn new(key: InstanceKey, instance: Arc<Instance>) -> Self {
        let tally = Tally {
            key,
            looking: AtomicU32::new(1),
            failures_in_a_row: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            observed_at: AtomicU64::new(0),
            instance: ArcSwap::new(instance),
        };
        Self { tally: Arc::new(tally) }
    }

    /// The same one more time.
    pub(crate) fn share(&self) -> Self {
        self.tally.looking.fetch_add(1, Ordering::Relaxed);
        Self { tally: Arc::clone(&self.tally) }
    }

    /// Says what is known of the instance from now on.
    pub(crate) fn refresh(&self, instance: &Arc<Instance>) {
        if !Arc::ptr_eq(&self.tally.instance.load(), instance) {
            self.tally.instance.store(Arc::clone(instance));
        }
    }

    /// The (id, address) it belongs to.
    #[inline]
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.tally.key
    }

    /// Requests that are under way. For a moment it may be off by one while the set of instances changes.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        let looking = self.tally.looking.load(Ordering::Relaxed);
        (Arc::strong_count(&self.tally) as u32).saturating_sub(looking)
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures_in_a_row(&self) -> u32 {
        self.tally.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// The latency's moving average, newer ones weighing more (decay 10 s); `None` before the first.
    ///
    /// It is measured only while the balancer asks for it. Two that are observed at the same instant may lose one of
    /// them: an average does not need every one.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let nanos = f64::from_bits(self.tally.latency.load(Ordering::Relaxed));
        (nanos > 0.0).then(|| Duration::from_nanos(nanos as u64))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tally.looking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tally {
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
    tally: Arc<Tally>,
    /// When the request began, and where the endpointer's clock began; only where latency is asked for.
    clock: Option<(Instant, Instant)>,
}

impl Ticket {
    #[inline]
    pub(crate) fn new(load: &Load, origin: Option<Instant>) -> Self {
        Self { tally: Arc::clone(&load.tally), clock: origin.map(|origin| (Instant::now(), origin)) }
    }

    /// The (id, address) that serves the request.
    #[inline]
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        self.tally.key
    }

    /// The instance that serves the request, as it is known now.
    #[must_use]
    pub fn instance(&self) -> Arc<Instance> {
        self.tally.instance.load_full()
    }

    /// Says how the request ended.
    #[inline]
    pub fn complete(self, outcome: Outcome) {
        let failures = &self.tally.failures_in_a_row;
        match outcome {
            // Read before written: the word is shared by all threads, and nearly always zero.
            Outcome::Success if failures.load(Ordering::Relaxed) == 0 => {}
            Outcome::Success => failures.store(0, Ordering::Relaxed),
            Outcome::Failure => drop(failures.fetch_add(1, Ordering::Relaxed)),
        }
        if let Some((started, origin)) = self.clock {
            let now = Instant::now();
            self.tally.observe(now - started, now, origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Instance;

    fn load() -> Load {
        let instance = Instance::new(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        Load::new(InstanceKey(7), Arc::new(instance))
    }

    #[test]
    fn looking_at_a_load_is_no_request_and_a_request_outlives_who_looks() {
        let load = load();
        let (ticket, other) = (Ticket::new(&load, None), load.share());
        assert_eq!((load.in_flight(), other.in_flight()), (1, 1));
        drop(load);
        assert_eq!(other.in_flight(), 1);
        let heavier = Arc::new((*ticket.instance()).clone().with_weight(9));
        other.refresh(&heavier);
        assert_eq!((ticket.instance().weight(), ticket.key()), (9, other.key()));
        drop(ticket);
        assert_eq!(other.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tickets_count_and_outcomes_are_kept() {
        let load = load();
        let (first, second) = (Ticket::new(&load, None), Ticket::new(&load, None));
        assert_eq!(load.in_flight(), 2);
        first.complete(Outcome::Failure);
        drop(second);
        assert_eq!((load.in_flight(), load.failures_in_a_row()), (0, 1));
        Ticket::new(&load, None).complete(Outcome::Success);
        assert_eq!((load.failures_in_a_row(), load.latency()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_follows_what_is_observed_and_forgets_the_old() {
        let load = load();
        let origin = Instant::now();
        let observe = async |millis| {
            let ticket = Ticket::new(&load, Some(origin));
            tokio::time::advance(Duration::from_millis(millis)).await;
            ticket.complete(Outcome::Success);
            load.latency().unwrap().as_millis()
        };
        assert_eq!(observe(100).await, 100);
        let after_one = observe(300).await;
        assert!((100..120).contains(&after_one), "{after_one}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!((290..=300).contains(&observe(300).await));
    }
}
