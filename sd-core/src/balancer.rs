//! Whom to call? A policy, compiled per set into a picker that answers per request.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use crate::load::InstanceKey;
use crate::members::Members;
use crate::randomness::{GOLDEN_GAMMA, split_mix};

/// Whom to call? A policy: makes the [`Picker`] for a set of members.
///
/// # Contract
/// `picker` is called once per change, off the path of requests, from one task at a time. The members it gets may all
/// be picked: who is draining, down, filtered out or of weight 0 is not among them. It may keep parts of `previous`,
/// the picker of the set before (a ring, say); weights may have changed although the instances are the same.
pub trait Balancer: fmt::Debug + Send + Sync + 'static {
    /// The picker for `members`, of which it keeps a clone where it needs them.
    fn picker(&self, members: &Members, previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker>;

    /// Whether latencies must be measured; by default they are not, and no clock is read.
    fn measures_latency(&self) -> bool {
        false
    }
}

impl<B: Balancer + ?Sized> Balancer for Arc<B> {
    fn picker(&self, members: &Members, previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker> {
        (**self).picker(members, previous)
    }

    fn measures_latency(&self) -> bool {
        (**self).measures_latency()
    }
}

/// Answers per request.
///
/// # Contract
/// `pick` gives the index of a member of the set that the picker was made for, and `None` only when that is empty;
/// instances that were tried already are avoided while others are left. It neither allocates, locks, waits nor does
/// I/O, and may be called from many threads at the same time. It is `Any`, so that a balancer can find its own kind in
/// `previous`.
pub trait Picker: Any + fmt::Debug + Send + Sync {
    /// The member for this request.
    fn pick(&self, context: &PickContext<'_>) -> Option<usize>;
}

/// What a picker may know of a request, and the caller's own counters.
///
/// Counters belong to the caller (one handle, or one thread and balancer), so that picking writes no word that two
/// threads share.
#[derive(Debug)]
pub struct PickContext<'a> {
    request: PickRequest<'a>,
    turn: &'a Cell<u64>,
    random: &'a Cell<u64>,
}

/// What is known of the request that an instance is picked for.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PickRequest<'a> {
    /// What a request should stick to, for policies by hash.
    pub hash: Option<u64>,
    /// Instances that were tried for it already.
    pub tried: &'a [InstanceKey],
}

impl<'a> PickRequest<'a> {
    /// A request that was tried nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what it should stick to.
    #[must_use]
    pub fn with_hash(mut self, hash: u64) -> Self {
        self.hash = Some(hash);
        self
    }

    /// Says where it was tried already.
    #[must_use]
    pub fn with_tried(mut self, tried: &'a [InstanceKey]) -> Self {
        self.tried = tried;
        self
    }
}

impl<'a> PickContext<'a> {
    /// A context that counts in `turn` and draws from `random`, which hold any numbers at first.
    #[inline]
    #[must_use]
    pub fn new(request: PickRequest<'a>, turn: &'a Cell<u64>, random: &'a Cell<u64>) -> Self {
        Self { request, turn, random }
    }

    /// What the request should stick to.
    #[inline]
    #[must_use]
    pub fn hash(&self) -> Option<u64> {
        self.request.hash
    }

    /// The instances that it was tried at.
    #[inline]
    #[must_use]
    pub fn tried(&self) -> &[InstanceKey] {
        self.request.tried
    }

    /// The caller's next turn: one more with each call, wrapping.
    #[inline]
    #[must_use]
    pub fn turn(&self) -> u64 {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// A random number of the caller's own: SplitMix64.
    #[inline]
    #[must_use]
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(GOLDEN_GAMMA);
        self.random.set(state);
        split_mix(state)
    }

    /// A random number below `limit`, each equally likely: Lemire's multiplication with rejection ("Fast Random
    /// Integer Generation in an Interval", 2019). 0 for a limit of 0.
    #[inline]
    #[must_use]
    pub fn random_below(&self, limit: u64) -> u64 {
        let mut wide = u128::from(self.random()) * u128::from(limit);
        if (wide as u64) < limit {
            let rejected_below = limit.wrapping_neg() % limit;
            while (wide as u64) < rejected_below {
                wide = u128::from(self.random()) * u128::from(limit);
            }
        }
        (wide >> 64) as u64
    }
}
