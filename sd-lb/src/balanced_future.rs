//! A call through a balanced service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sd_core::{AtHead, Completion, NoEndpoints, PickRequest, Picked};
use tokio::time::Sleep;
use tower_service::Service;

use crate::balanced::Balanced;
use crate::call_error::CallError;
use crate::form::Underway;
use crate::service_call::ServiceCall;
use crate::wait::Decided;

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

impl<S: Service<Req>, Req, C> BalancedFuture<S, Req, C> {
    #[inline]
    pub(crate) fn calling(picked: Picked<S>, request: Req, completion: C) -> Self {
        Self { stage: Stage::Calling { call: ServiceCall::new(picked, request, completion, None) } }
    }

    #[cold]
    pub(crate) fn waiting(balanced: Balanced<S, C>, hash: Option<u64>, request: Req) -> Self
    where
        S: Send + Sync + 'static,
    {
        let decided = Decided::new(Arc::clone(balanced.cell()));
        let wait = Wait { decided, timeout: None, balanced, hash, request: Some(request) };
        Self { stage: Stage::Waiting { wait: Box::new(wait) } }
    }

    #[cold]
    pub(crate) fn failed(nobody: NoEndpoints) -> Self {
        Self { stage: Stage::Failed { nobody: Some(nobody) } }
    }
}

struct Wait<S, Req, C> {
    decided: Decided,
    timeout: Option<Pin<Box<Sleep>>>,
    balanced: Balanced<S, C>,
    hash: Option<u64>,
    request: Option<Req>,
}

impl<S, Req, C: Clone> Wait<S, Req, C> {
    /// Done when the set is decided, or has been waited for long enough.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.decided).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let timeout = self.balanced.wait_limit();
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
                            let completion = wait.balanced.completion_ref().clone();
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
