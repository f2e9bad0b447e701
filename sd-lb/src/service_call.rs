//! One call of a service that was picked: ready, called, its ticket completed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sd_core::{Completion, Instance, Outcome, Picked, Ticket};
use tower_service::Service;

use crate::form::Underway;

pin_project! {
    /// One call of a service that was picked.
    pub(crate) struct ServiceCall<S, Req, C>
    where
        S: Service<Req>,
    {
        service: S,
        completion: C,
        request: Option<Req>,
        #[pin]
        response: Option<S::Future>,
        ticket: Option<Ticket>,
        // Who was called, where that must be known after the ticket is given away.
        kept: Option<Arc<Instance>>,
    }
}

impl<S: Service<Req>, Req, C> ServiceCall<S, Req, C> {
    #[inline]
    pub(crate) fn new(picked: Picked<S>, request: Req, completion: C, kept: Option<Arc<Instance>>) -> Self {
        let Picked { service, ticket } = picked;
        Self { service, completion, request: Some(request), response: None, ticket: Some(ticket), kept }
    }
}

impl<S, Req, C> Future for ServiceCall<S, Req, C>
where
    S: Service<Req>,
    C: Completion<S::Response>,
{
    type Output = Result<C::Tracked, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.request.is_some() {
            if let Err(error) = ready!(this.service.poll_ready(cx)) {
                note_failure(this.ticket, this.kept);
                return Poll::Ready(Err(error));
            }
            if let Some(request) = this.request.take() {
                this.response.set(Some(this.service.call(request)));
            }
        }
        let Some(response) = this.response.as_mut().as_pin_mut() else { return Poll::Pending };
        match (ready!(response.poll(cx)), this.ticket.take()) {
            (Ok(response), Some(ticket)) => Poll::Ready(Ok(this.completion.track(response, ticket))),
            (Err(error), ticket) => {
                *this.ticket = ticket;
                note_failure(this.ticket, this.kept);
                Poll::Ready(Err(error))
            }
            // Polled after it was ready, and the service's future allowed that.
            (Ok(_), None) => Poll::Pending,
        }
    }
}

impl<S, Req, C> Underway for ServiceCall<S, Req, C>
where
    S: Service<Req>,
    C: Completion<S::Response>,
{
    type Answer = C::Tracked;
    type Error = S::Error;

    fn instance(self: Pin<&mut Self>) -> Option<Arc<Instance>> {
        let this = self.project();
        this.ticket.as_ref().map(Ticket::instance).or_else(|| this.kept.take())
    }

    fn give_up(self: Pin<&mut Self>) {
        if let Some(ticket) = self.project().ticket.take() {
            ticket.complete(Outcome::Failure);
        }
    }
}

#[cold]
fn note_failure(ticket: &mut Option<Ticket>, kept: &mut Option<Arc<Instance>>) {
    if let Some(ticket) = ticket.take() {
        *kept = Some(ticket.instance());
        ticket.complete(Outcome::Failure);
    }
}

impl<S: Service<Req>, Req, C> fmt::Debug for ServiceCall<S, Req, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceCall").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
