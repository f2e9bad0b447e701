//! The services that are called: they do nothing, so that what is measured is what stands before them.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

/// Answers at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOp;

/// Is pending once, then answers: what a caller has to set up for waiting (a timer, say) is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct PendingOnce;

/// Refuses every other call on a thread: a call through a retry needs exactly two attempts.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefusesFirst;

/// What [`RefusesFirst`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Service<u64> for NoOp {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// The answer of [`PendingOnce`].
#[derive(Debug)]
pub struct Later {
    request: u64,
    waited: bool,
}

impl Future for Later {
    type Output = Result<u64, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waited {
            return Poll::Ready(Ok(self.request));
        }
        self.waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Service<u64> for PendingOnce {
    type Response = u64;
    type Error = Infallible;
    type Future = Later;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Later {
        Later { request, waited: false }
    }
}

thread_local! {
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

impl Service<u64> for RefusesFirst {
    type Response = u64;
    type Error = Refused;
    type Future = Ready<Result<u64, Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        let refused = !REFUSED.get();
        REFUSED.set(refused);
        ready(if refused { Err(Refused) } else { Ok(request) })
    }
}
