//! One service out of many: a `tower::Service` that picks for each call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use sd_core::{AtHead, Completion, EndpointCell, Endpointer, NoEndpoints, PickRequest, Picked, defaults};
use tokio::time::Sleep;
use tower_service::Service;

use crate::call_error::CallError;
use crate::form::Underway;
use crate::service_call::ServiceCall;
use crate::wait::Decided;

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
        let stage = match self.pick(pick) {
            Ok(picked) => {
                Stage::Calling { call: ServiceCall::new(picked, request, self.inner.completion.clone(), None) }
            }
            Err(nobody) if self.waits_after(&nobody) => Stage::Waiting {
                wait: Box::new(Wait {
                    decided: Decided::new(Arc::clone(&self.inner.cell)),
                    timeout: None,
                    balanced: self.clone(),
                    hash: pick.hash,
                    request: Some(request),
                }),
            },
            Err(nobody) => Stage::Failed { nobody: Some(nobody) },
        };
        BalancedFuture { stage }
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

pin_project! {
    /// A call through [`Balanced`].
    pub struct BalancedFuture<S, Req, C = AtHead>
    where
        S: Service<Req>,
    {
        #[pin]
        stage: Stage<S, Req, C>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, Req, C>
    where
        S: Service<Req>,
    {
        Calling { #[pin] call: ServiceCall<S, Req, C> },
        // Boxed: a program waits when it starts, and then never again.
        Waiting { wait: Box<Wait<S, Req, C>> },
        Failed { nobody: Option<NoEndpoints> },
    }
}

struct Wait<S, Req, C> {
    decided: Decided,
    timeout: Option<Pin<Box<Sleep>>>,
    balanced: Balanced<S, C>,
    hash: Option<u64>,
    request: Option<Req>,
}

impl<S, Req, C> Wait<S, Req, C> {
    /// Done when the set is decided, or has been waited for long enough.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.decided).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let timeout = self.balanced.inner.wait_timeout;
        self.timeout.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout))).as_mut().poll(cx)
    }
}

impl<S, Req, C> Future for BalancedFuture<S, Req, C>
where
    S: Service<Req> + Clone + Send + Sync + 'static,
    C: Completion<S::Response>,
{
    type Output = Result<C::Tracked, CallError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        loop {
            let next = match stage.as_mut().project() {
                StageProjection::Calling { mut call } => {
                    return match ready!(call.as_mut().poll(cx)) {
                        Ok(response) => Poll::Ready(Ok(response)),
                        Err(source) => match call.instance() {
                            Some(instance) => Poll::Ready(Err(CallError::Service { instance, source })),
                            None => Poll::Pending,
                        },
                    };
                }
                StageProjection::Waiting { wait } => {
                    let timed_out = {
                        ready!(wait.poll(cx));
                        wait.timeout.as_ref().is_some_and(|timeout| timeout.is_elapsed())
                    };
                    let mut pick = PickRequest::new();
                    pick.hash = wait.hash;
                    match (wait.balanced.pick(pick), wait.request.take()) {
                        (Ok(picked), Some(request)) => {
                            let completion = wait.balanced.inner.completion.clone();
                            Stage::Calling { call: ServiceCall::new(picked, request, completion, None) }
                        }
                        // Decided for a moment only, as when the last one left while it was being connected to.
                        (Err(nobody), request) if nobody.undecided && !timed_out => {
                            wait.request = request;
                            wait.decided = Decided::new(Arc::clone(wait.balanced.cell()));
                            continue;
                        }
                        (Err(nobody), _) => Stage::Failed { nobody: Some(nobody) },
                        (Ok(_), None) => return Poll::Pending,
                    }
                }
                StageProjection::Failed { nobody } => match nobody.take() {
                    Some(nobody) => return Poll::Ready(Err(nobody.into())),
                    None => return Poll::Pending,
                },
            };
            stage.set(next);
        }
    }
}

impl<S: Service<Req>, Req, C> fmt::Debug for BalancedFuture<S, Req, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Calling { .. } => "calling",
            Stage::Waiting { .. } => "waiting for the first answer",
            Stage::Failed { .. } => "failed",
        };
        f.debug_tuple("BalancedFuture").field(&stage).finish()
    }
}
