//! One service out of many: a `tower::Service` that picks for each call.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sd_core::{AtHead, Completion, EndpointCell, Endpointer, NoEndpoints, PickRequest, Picked, defaults};
use tower_service::Service;

use crate::balanced_future::BalancedFuture;
use crate::call_error::CallError;

/// One service out of many: picks an instance for each call.
///
/// It is always ready: readiness belongs to the instance that will be picked, and an `Err` from `poll_ready` would tell
/// tower that the whole is dead for good. The instance's own `poll_ready` is driven inside the call. Picks are counted
/// per thread, so that a clone per request (the habit with axum and tonic) spreads as evenly as one that is kept; a
/// clone costs one reference count.
///
/// There is no tower `Layer` that makes one: a layer wraps one service, and this stands over many.
///
/// # When nobody can be picked
/// A call fails with [`NoEndpoints`] when that is known. While it is undecided (the registry has not answered yet, or
/// the first connections are being made) calls wait, 3 s by default: a program's first call succeeds.
///
/// # Cancel safety
/// Dropping a call's future gives up that call and its place in the instance's count.
pub struct Balanced<S, C = AtHead> {
    inner: Arc<Inner<S, C>>,
}

struct Inner<S, C> {
    cell: Arc<EndpointCell<S>>,
    /// Keeps the cell up to date.
    endpointer: Arc<dyn Endpointer<S>>,
    completion: C,
    fail_fast: bool,
    wait_timeout: Duration,
}

impl<S> Balanced<S> {
    /// Over what `endpointer` gives.
    #[must_use]
    pub fn new(endpointer: Arc<dyn Endpointer<S>>) -> Self {
        let cell = Arc::clone(endpointer.cell());
        let (fail_fast, wait_timeout) = (false, defaults::RETRY_TIMEOUT);
        Self { inner: Arc::new(Inner { cell, endpointer, completion: AtHead, fail_fast, wait_timeout }) }
    }
}

impl<S, C: Clone> Balanced<S, C> {
    /// Fails a call at once, too, while it is undecided whether anybody can be picked. Default: false.
    #[must_use]
    pub fn fail_fast(self, fail_fast: bool) -> Self {
        self.with(|inner| inner.fail_fast = fail_fast)
    }

    /// How long a call waits while it is undecided whether anybody can be picked. Default 3 s. Under
    /// [`Retrying`](crate::Retrying) its total time is the bound, and this is not used.
    #[must_use]
    pub fn wait_timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.wait_timeout = timeout)
    }

    /// Says when a response is complete. Default: when its head is there.
    #[must_use]
    pub fn completion<D>(self, completion: D) -> Balanced<S, D> {
        let Inner { cell, endpointer, fail_fast, wait_timeout, .. } = &*self.inner;
        let (cell, endpointer) = (Arc::clone(cell), Arc::clone(endpointer));
        let inner = Inner { cell, endpointer, completion, fail_fast: *fail_fast, wait_timeout: *wait_timeout };
        Balanced { inner: Arc::new(inner) }
    }

    fn with(self, change: impl FnOnce(&mut Inner<S, C>)) -> Self {
        let completion = self.inner.completion.clone();
        let mut changed = self.completion(completion);
        if let Some(inner) = Arc::get_mut(&mut changed.inner) {
            change(inner);
        }
        changed
    }

    pub(crate) fn wait_limit(&self) -> Duration {
        self.inner.wait_timeout
    }

    pub(crate) fn completion_ref(&self) -> &C {
        &self.inner.completion
    }
}

impl<S, C> Balanced<S, C> {
    /// Where the present set stands: who may be picked, who may not and why.
    #[must_use]
    pub fn cell(&self) -> &Arc<EndpointCell<S>> {
        &self.inner.cell
    }

    /// Picks for one request, without calling. Waits for nothing.
    ///
    /// # Errors
    /// [`NoEndpoints`] when nobody may be picked.
    #[inline]
    pub fn pick(&self, request: PickRequest<'_>) -> Result<Picked<S>, NoEndpoints>
    where
        S: Clone,
    {
        self.inner.cell.pick(request)
    }

    /// Whether a call should wait, now that `nobody` could be picked.
    pub(crate) fn waits_after(&self, nobody: &NoEndpoints) -> bool {
        nobody.undecided && !self.inner.fail_fast
    }

    /// Calls with more known about the request: what it should stick to, who was tried.
    pub fn call_with<Req>(&self, pick: PickRequest<'_>, request: Req) -> BalancedFuture<S, Req, C>
    where
        S: Service<Req> + Clone + Send + Sync + 'static,
        C: Completion<S::Response>,
    {
        match self.pick(pick) {
            Ok(picked) => BalancedFuture::calling(picked, request, self.inner.completion.clone()),
            Err(nobody) if self.waits_after(&nobody) => BalancedFuture::waiting(self.clone(), pick.hash, request),
            Err(nobody) => BalancedFuture::failed(nobody),
        }
    }
}

impl<S, C> Clone for Balanced<S, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S, C> fmt::Debug for Balanced<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balanced")
            .field("endpoints", &self.inner.cell)
            .field("fail_fast", &self.inner.fail_fast)
            .field("wait_timeout", &self.inner.wait_timeout)
            .finish_non_exhaustive()
    }
}

impl<S, Req, C> Service<Req> for Balanced<S, C>
where
    S: Service<Req> + Clone + Send + Sync + 'static,
    C: Completion<S::Response>,
{
    type Response = C::Tracked;
    type Error = CallError<S::Error>;
    type Future = BalancedFuture<S, Req, C>;

    /// Always ready.
    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.call_with(PickRequest::new(), request)
    }
}
