//! The two forms of an attempt: a `tower::Service` that is called, and a closure that is run.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use sd_core::{AtHead, Completion, Instance, Picked};
use tower_service::Service;

use crate::counted::Counted;
use crate::service_call::ServiceCall;

/// How an attempt is made with a service that was picked.
pub(crate) trait Form<S, Req> {
    /// The attempt, under way.
    type Attempt: Underway;

    /// Begins it. `keep_instance` says that the instance must be known after a response, too.
    fn attempt(&mut self, picked: Picked<S>, request: Req, keep_instance: bool) -> Self::Attempt;
}

/// An attempt that is under way.
pub(crate) trait Underway: Future<Output = Result<Self::Answer, Self::Error>> {
    type Answer;
    type Error;

    /// Who is being called; known until there is a response, or longer if it was asked for.
    fn instance(self: Pin<&mut Self>) -> Option<Arc<Instance>>;

    /// Notes that it took too long.
    fn give_up(self: Pin<&mut Self>);
}

/// Calls the service.
#[derive(Debug, Clone)]
pub(crate) struct Calls<C = AtHead>(pub(crate) C);

impl<S, Req, C> Form<S, Req> for Calls<C>
where
    S: Service<Req>,
    C: Completion<S::Response>,
{
    type Attempt = ServiceCall<S, Req, C>;

    #[inline]
    fn attempt(&mut self, picked: Picked<S>, request: Req, keep_instance: bool) -> Self::Attempt {
        let kept = keep_instance.then(|| picked.ticket.instance());
        ServiceCall::new(picked, request, self.0.clone(), kept)
    }
}

/// Runs a closure.
pub(crate) struct Runs<F, C> {
    pub(crate) run: F,
    pub(crate) completion: C,
}

impl<S, Req, F, Fut, C, T, E> Form<S, Req> for Runs<F, C>
where
    F: FnMut(Counted<S, C>, Req) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Clone,
{
    type Attempt = Run<Fut>;

    #[inline]
    fn attempt(&mut self, picked: Picked<S>, request: Req, _keep_instance: bool) -> Run<Fut> {
        let instance = picked.ticket.instance();
        Run { instance, future: (self.run)(Counted::new(picked, self.completion.clone()), request) }
    }
}

impl<F, C: fmt::Debug> fmt::Debug for Runs<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").field("completion", &self.completion).finish_non_exhaustive()
    }
}

pin_project! {
    /// One run of a closure.
    pub(crate) struct Run<Fut> {
        instance: Arc<Instance>,
        #[pin]
        future: Fut,
    }
}

impl<Fut: Future> Future for Run<Fut> {
    type Output = Fut::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        self.project().future.poll(cx)
    }
}

impl<Fut, T, E> Underway for Run<Fut>
where
    Fut: Future<Output = Result<T, E>>,
{
    type Answer = T;
    type Error = E;

    fn instance(self: Pin<&mut Self>) -> Option<Arc<Instance>> {
        Some(Arc::clone(self.project().instance))
    }

    /// The ticket is with the closure's service, and is dropped with it.
    fn give_up(self: Pin<&mut Self>) {}
}
