//! A service that was picked, with the ticket that counts its request.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sd_core::{AtHead, Completion, Instance, Outcome, Picked, Ticket};
use tower_service::Service;

/// A service that was picked, with the ticket that counts its request: what the closure form gets.
///
/// It is a `tower::Service` where `S` is one, so that a generated client takes it as its channel: the first call carries
/// the ticket, and completes it as the [`Completion`] says (with the response's head by default, or with its body, so
/// that streams count until they end); further calls are not counted. Other services are reached by dereferencing; then
/// the request counts until this value is dropped, or until the ticket of [`into_parts`](Self::into_parts) is.
pub struct Counted<S, C = AtHead> {
    service: S,
    ticket: Option<Ticket>,
    completion: C,
}

impl<S, C> Counted<S, C> {
    #[inline]
    pub(crate) fn new(picked: Picked<S>, completion: C) -> Self {
        Self { service: picked.service, ticket: Some(picked.ticket), completion }
    }

    /// Who was picked; `None` when a call has already taken the ticket, and for a clone.
    #[must_use]
    pub fn instance(&self) -> Option<Arc<Instance>> {
        self.ticket.as_ref().map(Ticket::instance)
    }

    /// The service and the ticket, which must live as long as the request; `None` when a call has already taken it.
    pub fn into_parts(self) -> (S, Option<Ticket>) {
        (self.service, self.ticket)
    }
}

impl<S, C> Deref for Counted<S, C> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.service
    }
}

impl<S, C> DerefMut for Counted<S, C> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.service
    }
}

/// A clone calls the same instance, and counts nothing: one pick is one ticket.
impl<S: Clone, C: Clone> Clone for Counted<S, C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), ticket: None, completion: self.completion.clone() }
    }
}

impl<S, C> fmt::Debug for Counted<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl<S, C, Req> Service<Req> for Counted<S, C>
where
    S: Service<Req>,
    C: Completion<S::Response, Tracked = S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CountedFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = self.service.poll_ready(cx);
        if let Poll::Ready(Err(_)) = ready
            && let Some(ticket) = self.ticket.take()
        {
            ticket.complete(Outcome::Failure);
        }
        ready
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let ticket = self.ticket.take();
        CountedFuture { response: self.service.call(request), ticket, completion: self.completion.clone() }
    }
}

pin_project! {
    /// The response of a [`Counted`] service.
    pub struct CountedFuture<F, C> {
        #[pin]
        response: F,
        ticket: Option<Ticket>,
        completion: C,
    }
}

impl<F, C, Response, E> Future for CountedFuture<F, C>
where
    F: Future<Output = Result<Response, E>>,
    C: Completion<Response, Tracked = Response>,
{
    type Output = Result<Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.response.poll(cx));
        Poll::Ready(match (result, this.ticket.take()) {
            (Ok(response), Some(ticket)) => Ok(this.completion.track(response, ticket)),
            (Err(error), Some(ticket)) => {
                ticket.complete(Outcome::Failure);
                Err(error)
            }
            (result, None) => result,
        })
    }
}

impl<F, C> fmt::Debug for CountedFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedFuture").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
