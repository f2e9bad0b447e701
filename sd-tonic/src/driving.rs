//! One task per connection: everything that hyper would spawn is driven inside it.
//!
//! hyper spawns a task per connection and one per request, and each hand-over between tasks may wake a sleeping thread
//! of the runtime: of a call of 40 µs that was a third. Inside one task a request is written in the poll that takes it,
//! and an answer handed on in the poll that reads it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use pin_project_lite::pin_project;

type Child = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes what hyper spawns, for the task that drives it. hyper spawns only while it is itself polled there.
#[derive(Clone, Default)]
pub(crate) struct Inside(Arc<Mutex<Vec<Child>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Inside {
    fn execute(&self, future: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(Contained { future }));
    }
}

/// Drives `main` and all that it spawns; `ended` is told what `main` came to, and the rest is driven to its end.
pub(crate) struct Driving<M, F> {
    main: Option<Pin<Box<M>>>,
    ended: Option<F>,
    spawned: Inside,
    children: FuturesUnordered<Child>,
    bells: Option<Bells>,
}

/// What wakes the task, and whom of it.
#[derive(Clone)]
struct Bells {
    alarm: Arc<Alarm>,
    for_children: Waker,
    main: Arc<MainBell>,
    for_main: Waker,
}

impl<M: Future, F: FnOnce(M::Output)> Driving<M, F> {
    pub(crate) fn new(main: M, spawned: Inside, ended: F) -> Self {
        let children = FuturesUnordered::new();
        Self { main: Some(Box::pin(main)), ended: Some(ended), spawned, children, bells: None }
    }

    /// Polls everything that has something to do. True: nothing is left.
    fn pass(&mut self, bells: &Bells) -> bool {
        if let Some(main) = &mut self.main
            && bells.main.woken.swap(false, Ordering::SeqCst)
            && let Poll::Ready(outcome) = main.as_mut().poll(&mut Context::from_waker(&bells.for_main))
        {
            self.main = None;
            if let Some(ended) = self.ended.take() {
                ended(outcome);
            }
        }
        let mut cx = Context::from_waker(&bells.for_children);
        loop {
            self.children.extend(self.spawned.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            match self.children.poll_next_unpin(&mut cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return self.main.is_none(),
                Poll::Pending => return false,
            }
        }
    }
}

impl<M: Future, F: FnOnce(M::Output) + Unpin> Future for Driving<M, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let bells = this.bells.get_or_insert_with(|| Bells::new(cx.waker())).clone();
        let alarm = &bells.alarm;
        alarm.outside_is(cx.waker());
        for _ in 0..PASSES {
            alarm.silence();
            if this.pass(&bells) {
                return Poll::Ready(());
            }
            if !alarm.rings_again() {
                return Poll::Pending;
            }
        }
        // Others on this thread have their turn, too.
        alarm.ring();
        Poll::Pending
    }
}

impl<M, F> fmt::Debug for Driving<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driving").field("children", &self.children.len()).finish_non_exhaustive()
    }
}

/// So many passes before the task yields.
const PASSES: usize = 64;

/// Wakes the task for what happens outside its poll; what happens inside is seen by the poll itself.
///
/// A task that wakes itself while it runs is queued again by tokio, and another thread woken to help: for nothing.
struct Alarm {
    /// Whether the task is in its poll, and looks at `woken` before it leaves.
    polling: AtomicBool,
    woken: AtomicBool,
    outside: Mutex<Waker>,
}

impl Alarm {
    fn new(outside: Waker) -> Self {
        Self { polling: AtomicBool::new(false), woken: AtomicBool::new(false), outside: Mutex::new(outside) }
    }

    fn outside_is(&self, waker: &Waker) {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        outside.clone_from(waker);
    }

    /// Begins a pass.
    fn silence(&self) {
        self.polling.store(true, Ordering::SeqCst);
        self.woken.store(false, Ordering::SeqCst);
    }

    /// Ends a pass; whether anything was woken since it began. Whoever wakes after this rings outside: it stores `woken`
    /// before it reads `polling`, and here it is the other way round, so that one of the two sees the other.
    fn rings_again(&self) -> bool {
        self.polling.store(false, Ordering::SeqCst);
        self.woken.load(Ordering::SeqCst)
    }

    fn ring(&self) {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.polling.load(Ordering::SeqCst) {
            self.ring();
        }
    }
}

/// Tells whether it is the main future that was woken: most wakes are for what was spawned.
struct MainBell {
    woken: AtomicBool,
    alarm: Arc<Alarm>,
}

impl Wake for MainBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.alarm.wake_by_ref();
    }
}

impl Bells {
    fn new(outside: &Waker) -> Self {
        let alarm = Arc::new(Alarm::new(outside.clone()));
        let main = Arc::new(MainBell { woken: AtomicBool::new(true), alarm: Arc::clone(&alarm) });
        Self { for_children: Arc::clone(&alarm).into(), for_main: Arc::clone(&main).into(), alarm, main }
    }
}

pin_project! {
    /// A future whose panic ends it alone: a request's stream is the caller's code, and shares this task with all other
    /// calls.
    struct Contained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = ()>> Future for Contained<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let future = self.project().future;
        catch_unwind(AssertUnwindSafe(|| future.poll(cx))).unwrap_or(Poll::Ready(()))
    }
}

#[cfg(test)]
#[path = "driving_tests.rs"]
mod tests;
