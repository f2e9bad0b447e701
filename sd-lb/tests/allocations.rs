//! A pick allocates nothing, and neither does a call whose first attempt succeeds.
#![allow(unsafe_code, reason = "a global allocator can't be written without")]
#![allow(clippy::panic, reason = "tests; clippy sees tests only inside test functions")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::noops;
use sd_core::{Balancer, PickRequest};
use sd_lb::{Balanced, Random, Retry, RoundRobin};
use tower_service::Service;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of<T>(mut act: impl FnMut() -> T) -> u64 {
    // Whatever is made once per thread is made here.
    drop(act());
    let before = ALLOCATIONS.get();
    for _ in 0..1000 {
        drop(act());
    }
    ALLOCATIONS.get() - before
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it should be ready at once"),
    }
}

#[test]
fn the_counter_counts() {
    assert!(allocations_of(|| std::hint::black_box(Box::new(1))) >= 1000);
}

#[test]
fn picks_allocate_nothing() {
    fn check(balancer: impl Balancer) {
        let endpointer = noops(100, balancer);
        let mut handle = endpointer.handle();
        let tried = [endpointer.cell().load().members().get(0).unwrap().key()];
        assert_eq!(allocations_of(|| handle.choose(PickRequest::new())), 0);
        assert_eq!(allocations_of(|| handle.pick(PickRequest::new()).unwrap()), 0);
        assert_eq!(allocations_of(|| handle.clone().pick(PickRequest::new()).unwrap()), 0);
        assert_eq!(allocations_of(|| handle.pick(PickRequest::new().with_tried(&tried)).unwrap()), 0);
        assert_eq!(allocations_of(|| endpointer.cell().pick(PickRequest::new()).unwrap()), 0);
    }
    check(RoundRobin::new());
    check(RoundRobin::strict());
    check(Random::new());
}

// No runtime is there: neither a timer nor a clock of one is needed.
#[test]
fn calls_whose_first_attempt_succeeds_allocate_nothing_and_need_no_timer() {
    let balanced = Balanced::new(noops(100, RoundRobin::new()));
    let retrying = Retry::default().per_attempt(std::time::Duration::from_secs(1)).wrap(balanced.clone()).unwrap();
    assert_eq!(allocations_of(|| now(Service::call(&mut balanced.clone(), ())).unwrap()), 0);
    assert_eq!(allocations_of(|| now(Service::call(&mut retrying.clone(), ())).unwrap()), 0);
    assert_eq!(allocations_of(|| now(retrying.call(())).unwrap()), 0);
    let run = || retrying.run((), |mut service, ()| async move { service.call(()).await });
    assert_eq!(allocations_of(|| now(run()).unwrap()), 0);
}
