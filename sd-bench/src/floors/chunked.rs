//! The floor of a change: a two-level copy-on-write array. A change copies one chunk and the list of chunks.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::data::{Jumps, Member};
use crate::harness::Make;
use crate::harness::clock::Stopwatch;

/// Members per chunk.
const CHUNK: usize = 512;

/// What the output calls it.
pub const NAME: &str = "floor: two-level copy-on-write (chunks of 512) + ArcSwap, publish to first pick";

type Chunk = Arc<[Arc<Member>]>;

/// An array whose versions share the chunks that did not change.
#[derive(Debug, Clone)]
pub struct Chunked {
    len: usize,
    chunks: Arc<[Chunk]>,
}

impl Chunked {
    /// The first `n` members.
    #[must_use]
    pub fn new(n: usize) -> Self {
        let chunks = (0..n)
            .step_by(CHUNK)
            .map(|from| {
                let to = n.min(from + CHUNK);
                (from..to).map(|i| Arc::new(Member::new(i))).collect()
            })
            .collect();
        Self { len: n, chunks }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The member at a place.
    #[inline]
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Arc<Member>> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// One more, at the end.
    #[must_use]
    pub fn with(&self, member: Arc<Member>) -> Self {
        let len = self.len + 1;
        let chunks = if self.len.is_multiple_of(CHUNK) {
            let last: Chunk = Arc::from([member]);
            self.chunks.iter().cloned().chain([last]).collect()
        } else {
            self.replacing(self.len / CHUNK, |chunk| chunk.iter().cloned().chain([member]).collect())
        };
        Self { len, chunks }
    }

    /// One less, at the end.
    #[must_use]
    pub fn without_last(&self) -> Self {
        let len = self.len - 1;
        let chunks = if len.is_multiple_of(CHUNK) {
            self.chunks[..len / CHUNK].into()
        } else {
            self.replacing(len / CHUNK, |chunk| chunk[..chunk.len() - 1].into())
        };
        Self { len, chunks }
    }

    /// Another member at a place.
    #[must_use]
    pub fn set(&self, at: usize, member: Arc<Member>) -> Self {
        let chunks = self.replacing(at / CHUNK, |chunk| with_at(chunk.iter(), at % CHUNK, member));
        Self { len: self.len, chunks }
    }

    /// One out of the middle: the last takes its place.
    #[must_use]
    pub fn without(&self, at: usize) -> Self {
        let (len, last_chunk) = (self.len - 1, (self.len - 1) / CHUNK);
        let Some(last) = self.get(len).filter(|_| at < len && !len.is_multiple_of(CHUNK)) else {
            // The last chunk goes with its only member; where it takes the place of another, that is a second step.
            let moved = self.get(len).filter(|_| at < len).map(|last| self.set(at, Arc::clone(last)));
            return moved.as_ref().unwrap_or(self).without_last();
        };
        let mut chunks: Arc<[Chunk]> = self.chunks.iter().cloned().collect();
        if let Some(chunks) = Arc::get_mut(&mut chunks) {
            let shorter = chunks[last_chunk][..len % CHUNK].iter();
            if at / CHUNK == last_chunk {
                chunks[last_chunk] = with_at(shorter, at % CHUNK, Arc::clone(last));
            } else {
                chunks[last_chunk] = shorter.cloned().collect();
                chunks[at / CHUNK] = with_at(chunks[at / CHUNK].iter(), at % CHUNK, Arc::clone(last));
            }
        }
        Self { len, chunks }
    }

    fn replacing(&self, chunk: usize, by: impl FnOnce(&Chunk) -> Chunk) -> Arc<[Chunk]> {
        let mut chunks: Arc<[Chunk]> = self.chunks.iter().cloned().collect();
        if let Some(place) = Arc::get_mut(&mut chunks).and_then(|c| c.get_mut(chunk)) {
            *place = by(place);
        }
        chunks
    }
}

fn with_at(chunk: std::slice::Iter<'_, Arc<Member>>, at: usize, member: Arc<Member>) -> Chunk {
    let mut chunk: Chunk = chunk.cloned().collect();
    if let Some(place) = Arc::get_mut(&mut chunk).and_then(|c| c.get_mut(at)) {
        *place = member;
    }
    chunk
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One more.
    Add,
    /// One less.
    Remove,
    /// One weighs something else.
    Weight,
}

impl Change {
    /// All of them, with the name of their case.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Add, "add"), (Self::Remove, "remove"), (Self::Weight, "weight")];
}

/// From the change to the first look that sees it; what restores the size is not timed.
#[must_use]
pub fn publish(n: usize, change: Change) -> Make {
    Make::timed(move || {
        let set = ArcSwap::from_pointee(Chunked::new(n));
        let mut jumps = Jumps::over(n);
        let mut weight = 1;
        Ok(move || {
            let at = jumps.next();
            weight += 1;
            let member = Arc::new(Member { weight, ..Member::new(at) });
            match change {
                Change::Add => {
                    let took = seen(&set, |old| old.with(member), n, weight);
                    set.rcu(|old| old.without_last());
                    took
                }
                Change::Remove => {
                    let removed = set.load().get(at).cloned();
                    let watch = Stopwatch::start();
                    set.store(Arc::new(set.load().without(at)));
                    while set.load().len() == n {
                        std::hint::spin_loop();
                    }
                    let took = watch.elapsed();
                    if let Some(removed) = removed {
                        set.rcu(|old| old.with(Arc::clone(&removed)));
                    }
                    took
                }
                Change::Weight => seen(&set, |old| old.set(at, member), at, weight),
            }
        })
    })
}

fn seen(set: &ArcSwap<Chunked>, change: impl FnOnce(&Chunked) -> Chunked, at: usize, weight: u32) -> Duration {
    let watch = Stopwatch::start();
    let next = change(&set.load());
    set.store(Arc::new(next));
    while set.load().get(at).is_none_or(|m| m.weight != weight) {
        std::hint::spin_loop();
    }
    watch.elapsed()
}

/// What the output calls [`publish_parked`].
pub const PARKED: &str = "floor: the same, the picking thread parked until it is told";

/// From the change to the first look that sees it, on another thread that is parked meanwhile.
#[must_use]
pub fn publish_parked(n: usize) -> Make {
    Make::timed(move || {
        let set = Arc::new(ArcSwap::from_pointee(Chunked::new(n)));
        let mut jumps = Jumps::over(n);
        let mut weight = 1;
        let waiter = super::parked::Waiter::start(Arc::clone(&set))?;
        Ok(move || {
            let at = jumps.next();
            weight += 1;
            let member = Arc::new(Member { weight, ..Member::new(at) });
            waiter.settle();
            let watch = Stopwatch::start();
            let next = set.load().set(at, member);
            set.store(Arc::new(next));
            waiter.wake(at, weight).map_or(Duration::ZERO, |seen| watch.until(seen))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(set: &Chunked) -> Vec<String> {
        (0..set.len()).map(|at| set.get(at).unwrap().id.to_string()).collect()
    }

    #[test]
    fn changes_at_the_edges_of_chunks_are_those_of_a_vec() {
        for n in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 2, 2 * CHUNK] {
            let set = Chunked::new(n);
            let mut more = ids(&set);
            more.push(Member::new(n).id.to_string());
            assert_eq!(ids(&set.with(Arc::new(Member::new(n)))), more);
            for at in [0, n / 2, n - 1] {
                let mut less = ids(&set);
                less.swap_remove(at);
                let without = set.without(at);
                assert_eq!(ids(&without), less, "{at} out of {n}");
                assert!(without.get(n - 1).is_none());
                let other = Member { weight: 9, ..Member::new(at) };
                assert_eq!(set.set(at, Arc::new(other)).get(at).unwrap().weight, 9);
                assert_eq!(set.get(at).unwrap().weight, 1, "the old version is untouched");
            }
        }
    }
}
