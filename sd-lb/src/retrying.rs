//! A balanced service whose calls are tried again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use sd_core::{AtHead, Completion, Randomness};
use tower_service::Service;

use crate::balanced::Balanced;
use crate::budget::Budget;
use crate::counted::Counted;
use crate::drive::Drive;
use crate::form::{Calls, Runs};
use crate::policy::{RetryErrors, RetryPolicy};
use crate::retry::Limits;
use crate::retry_error::RetryError;

/// A balanced service whose calls are tried again, as [`Retry`](crate::Retry) says. A clone costs one reference count,
/// and shares the budget.
///
/// While it is undecided whether anybody can be picked, calls wait for as long as their total time lasts.
///
/// Where a call must wait, it needs tokio's time: a runtime built with `enable_time` or `enable_all`.
///
/// # Cancel safety
/// Dropping a call's future gives up that call, whatever attempt it is at. What the instance did by then is done.
pub struct Retrying<S, P = RetryErrors, C = AtHead> {
    inner: Arc<Inner<S, P, C>>,
}

struct Inner<S, P, C> {
    balanced: Balanced<S, C>,
    limits: Limits,
    budget: Budget,
    randomness: Arc<dyn Randomness>,
    policy: P,
}

impl<S, P, C> Retrying<S, P, C> {
    pub(crate) fn new(
        balanced: Balanced<S, C>,
        limits: Limits,
        budget: Budget,
        randomness: Arc<dyn Randomness>,
        policy: P,
    ) -> Self {
        Self { inner: Arc::new(Inner { balanced, limits, budget, randomness, policy }) }
    }

    /// Calls, as often as it takes. As `Service::call`, through a shared reference.
    ///
    /// # Errors
    /// [`RetryError`] with every attempt.
    pub fn call<Req>(&self, request: Req) -> RetryFuture<S, Req, P, C>
    where
        S: Service<Req>,
        C: Completion<S::Response>,
    {
        let form = Calls(self.inner.balanced.completion_ref().clone());
        RetryFuture { drive: Drive::new(self.clone(), form, request) }
    }

    /// Runs `run` with an instance's service and the request, as often as it takes: for generated clients, which are
    /// made around a channel. The service carries the ticket that counts the request.
    ///
    /// ```
    /// # use sd_core::{Address, FixedEndpointer, Instance};
    /// # use sd_lb::{Balanced, Retry, RoundRobin};
    /// # use std::sync::Arc;
    /// # #[derive(Clone)] struct Channel;
    /// # struct Books<T>(T);
    /// # impl<T> Books<T> { async fn title(&self, id: u64) -> Result<String, std::io::Error> { Ok(id.to_string()) } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let one = Instance::new("127.0.0.1:1".parse::<Address>()?);
    /// # let endpointer = FixedEndpointer::new([(one, Channel)], &RoundRobin::new());
    /// let retry = Retry::attempts(3).wrap(Balanced::new(Arc::new(endpointer)))?;
    /// let title = retry.run(7, |channel, id| async move { Books(channel).title(id).await }).await?;
    /// # assert_eq!(title, "7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RetryError`] with every attempt.
    #[allow(clippy::future_not_send, reason = "it is Send when the closure, the request and the results are")]
    pub fn run<Req, F, Fut, T, E>(
        &self,
        request: Req,
        run: F,
    ) -> impl Future<Output = Result<T, RetryError<E>>> + use<S, P, C, Req, F, Fut, T, E>
    where
        S: Clone + Send + Sync + 'static,
        P: RetryPolicy<Req, T, E>,
        C: Clone,
        F: FnMut(Counted<S, C>, Req) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let completion = self.inner.balanced.completion_ref().clone();
        Drive::new(self.clone(), Runs { run, completion }, request)
    }

    /// What picks.
    #[must_use]
    pub fn balanced(&self) -> &Balanced<S, C> {
        &self.inner.balanced
    }

    /// How many calls may be retried.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn policy(&self) -> &P {
        &self.inner.policy
    }

    pub(crate) fn randomness(&self) -> &dyn Randomness {
        &*self.inner.randomness
    }
}

impl<S, P, C> Clone for Retrying<S, P, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S, P, C> fmt::Debug for Retrying<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying")
            .field("balanced", &self.inner.balanced)
            .field("limits", &self.inner.limits)
            .field("budget", &self.inner.budget)
            .finish_non_exhaustive()
    }
}

impl<S, P, C, Req> Service<Req> for Retrying<S, P, C>
where
    S: Service<Req> + Clone + Send + Sync + 'static,
    P: RetryPolicy<Req, C::Tracked, S::Error>,
    C: Completion<S::Response>,
{
    type Response = C::Tracked;
    type Error = RetryError<S::Error>;
    type Future = RetryFuture<S, Req, P, C>;

    /// Always ready.
    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        Self::call(self, request)
    }
}

pin_project! {
    /// A call through [`Retrying`].
    #[derive(Debug)]
    pub struct RetryFuture<S, Req, P = RetryErrors, C = AtHead>
    where
        S: Service<Req>,
        C: Completion<S::Response>,
    {
        #[pin]
        drive: Drive<S, P, C, Calls<C>, Req>,
    }
}

impl<S, Req, P, C> Future for RetryFuture<S, Req, P, C>
where
    S: Service<Req> + Clone + Send + Sync + 'static,
    P: RetryPolicy<Req, C::Tracked, S::Error>,
    C: Completion<S::Response>,
{
    type Output = Result<C::Tracked, RetryError<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().drive.poll(cx)
    }
}
