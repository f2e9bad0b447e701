//! Floors of choosing: a counter, a look at the published set, and the member at that place.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Cache};

use crate::data::{Member, members};
use crate::harness::Make;

/// A set of members that may be replaced at any time.
pub type Published = Arc<ArcSwap<Vec<Arc<Member>>>>;

type Cached = Cache<Published, Arc<Vec<Arc<Member>>>>;

/// `n` members, published.
#[must_use]
pub fn published(n: usize) -> Published {
    Arc::new(ArcSwap::from_pointee(members(n)))
}

/// The place that a counter points at: an empty set has none.
#[inline]
fn turn(counter: &mut usize, len: usize) -> usize {
    *counter = counter.wrapping_add(1);
    counter.checked_rem(len).unwrap_or(0)
}

/// The member at a place: reads the set's memory there, not the member's.
#[inline]
fn look(set: &[Arc<Member>], at: usize) -> Option<*const Member> {
    set.get(at).map(Arc::as_ptr)
}

/// A counter and an `arc_swap::Cache`, both in a handle that one thread owns.
pub const OWN: &str = "floor: own counter + arc_swap::Cache + index";

/// See [`OWN`].
#[must_use]
pub fn own(set: &Published) -> Make {
    let set = Arc::clone(set);
    Make::op(move || {
        let mut cache = Cache::new(Arc::clone(&set));
        let mut counter = 0;
        Ok(move || {
            let set = cache.load();
            look(set, turn(&mut counter, set.len()))
        })
    })
}

/// A counter per thread and the set as it is published; the handle is shared by reference.
pub const THREAD: &str = "floor: thread-local counter + ArcSwap::load + index";

thread_local! {
    static COUNTER: Cell<usize> = const { Cell::new(0) };
    static CACHE: RefCell<Option<Cached>> = const { RefCell::new(None) };
}

#[inline]
fn thread_turn(len: usize) -> usize {
    let mut counter = COUNTER.get();
    let at = turn(&mut counter, len);
    COUNTER.set(counter);
    at
}

/// See [`THREAD`].
#[must_use]
pub fn thread(set: &Published) -> Make {
    let set = Arc::clone(set);
    Make::op(move || {
        let set = Arc::clone(&set);
        Ok(move || {
            let set = set.load();
            look(&set, thread_turn(set.len()))
        })
    })
}

/// [`THREAD`], with the set cached per thread too.
pub const THREAD_CACHE: &str = "floor: thread-local counter + thread-local arc_swap::Cache + index";

/// See [`THREAD_CACHE`].
#[must_use]
pub fn thread_cache(set: &Published) -> Make {
    let set = Arc::clone(set);
    Make::op(move || {
        CACHE.set(Some(Cache::new(Arc::clone(&set))));
        Ok(|| {
            CACHE.with_borrow_mut(|cache| {
                let set = cache.as_mut()?.load();
                look(set, thread_turn(set.len()))
            })
        })
    })
}

/// [`THREAD`], and a clone of the endpoint, dropped again: the least that a pick can give.
pub const CLONED: &str = "floor: thread-local counter + ArcSwap::load + clone of an Arc endpoint";

/// See [`CLONED`].
#[must_use]
pub fn cloned(set: &Published) -> Make {
    let set = Arc::clone(set);
    Make::op(move || {
        let set = Arc::clone(&set);
        Ok(move || pick(&set))
    })
}

/// One pick of [`CLONED`].
#[inline]
#[must_use]
pub fn pick(set: &Published) -> Option<Arc<Member>> {
    let set = set.load();
    set.get(thread_turn(set.len())).cloned()
}

/// [`CLONED`], anyone: what it costs that the next member is not the one beside the last.
pub const CLONED_RANDOM: &str = "floor: thread-local random + ArcSwap::load + clone of an Arc endpoint";

/// See [`CLONED_RANDOM`].
#[must_use]
pub fn cloned_random(set: &Published) -> Make {
    let set = Arc::clone(set);
    Make::op(move || {
        let set = Arc::clone(&set);
        Ok(move || {
            let set = set.load();
            // Weyl's sequence, whose upper half is random enough for a cache.
            let weyl = COUNTER.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
            COUNTER.set(weyl);
            let mixed = (weyl ^ (weyl >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32;
            set.get((mixed * set.len()) >> 32).cloned()
        })
    })
}

/// One counter for all threads: what go-kit and pingora do.
pub const SHARED: &str = "floor: shared fetch_add + ArcSwap::load + index";

/// See [`SHARED`].
#[must_use]
pub fn shared(set: &Published) -> Make {
    let set = Arc::clone(set);
    let counter = Arc::new(AtomicUsize::new(0));
    Make::op(move || {
        let (set, counter) = (Arc::clone(&set), Arc::clone(&counter));
        Ok(move || {
            let set = set.load();
            let turn = counter.fetch_add(1, Ordering::Relaxed);
            look(&set, turn.checked_rem(set.len())?)
        })
    })
}
