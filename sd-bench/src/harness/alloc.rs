//! A global allocator that counts: allocations per thread, and bytes alive while somebody asks.
//!
//! The count is a plain thread-local number, so that counting does not make two threads fight over a cache line and
//! thereby punish whoever allocates more than the allocation itself does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

static TRACK_LIVE: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);
/// The most that `LIVE` has been while tracked.
static PEAK: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

/// How often the calling thread has asked for memory (a growing `Vec` asks once per growth).
#[must_use]
pub fn count() -> u64 {
    COUNT.with(Cell::get)
}

/// By how many bytes the heap of the whole process grew while `build` ran and its result is still alive.
pub fn heap_of<T>(build: impl FnOnce() -> T) -> (T, i64) {
    let (built, alive, _) = tracked(build);
    (built, alive)
}

/// By how many bytes the heap of the whole process had grown at most while `work` ran.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let (done, _, most) = tracked(work);
    (done, most)
}

/// What `work` gave, by how much the heap had grown in the end, and by how much at most.
fn tracked<T>(work: impl FnOnce() -> T) -> (T, i64, i64) {
    // Two who look at once would each see what the other builds.
    static ONE_LOOKS: Mutex<()> = Mutex::new(());
    let _alone = ONE_LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    TRACK_LIVE.store(true, Ordering::SeqCst);
    let done = work();
    TRACK_LIVE.store(false, Ordering::SeqCst);
    (done, LIVE.load(Ordering::SeqCst) - before, PEAK.load(Ordering::SeqCst) - before)
}

#[inline]
fn note(bytes: i64, asked: bool) {
    if asked {
        // A thread that is being torn down has no counter any more; nobody reads it then either.
        COUNT.try_with(|count| count.set(count.get() + 1)).ok();
    }
    if TRACK_LIVE.load(Ordering::Relaxed) {
        let before = LIVE.fetch_add(bytes, Ordering::Relaxed);
        PEAK.fetch_max(before + bytes, Ordering::Relaxed);
    }
}

#[inline]
const fn signed(size: usize) -> i64 {
    // No allocation is larger than isize::MAX.
    size.cast_signed() as i64
}

#[allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait; every call goes to System unchanged")]
// SAFETY: all four methods hand their arguments to `System` unchanged and return what it returns, so the contract holds
// because it holds for `System`. `note` neither allocates nor unwinds: its thread-local is const-initialised and has no
// destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(signed(layout.size()), true);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(signed(layout.size()), true);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(-signed(layout.size()), false);
        // SAFETY: `ptr` came from `System` through us, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(signed(new_size) - signed(layout.size()), true);
        // SAFETY: `ptr` came from `System` through us, with this layout.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_what_was_alive_at_once_and_not_what_is_left() {
        const SIZE: usize = 64 << 20;
        let block = || drop(std::hint::black_box(Vec::<u8>::with_capacity(SIZE)));
        let ((), peak) = peak_of(|| (0..3).for_each(|_| block()));
        // What other tests do at the same time is in it, and is small beside that.
        assert!((SIZE as i64..2 * SIZE as i64).contains(&peak), "{peak} bytes");
    }
}
