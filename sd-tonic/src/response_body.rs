//! What is received: it carries the call's place in its instance's count until it ends.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use sd_core::{Outcome, Ticket};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use crate::connection::Connection;
use crate::failure::broken;

/// A response's body: a message, or a stream of them. Dropping it gives the call up.
pub struct ResponseBody {
    body: Incoming,
    connection: Connection,
    ticket: Option<Ticket>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    pub(crate) fn new(body: Incoming, connection: Connection) -> Self {
        Self { body, connection, ticket: None, deadline: None }
    }

    /// Counts the call until this body has ended. `headers` are the response's: of one without a body they hold the
    /// status.
    pub(crate) fn carry(&mut self, ticket: Ticket, headers: &HeaderMap) {
        if self.body.is_end_stream() {
            ticket.complete(outcome(headers));
        } else {
            self.ticket = Some(ticket);
        }
    }

    /// Ends the call at `deadline`.
    pub(crate) fn end_at(&mut self, deadline: Instant) {
        if !self.body.is_end_stream() {
            self.deadline = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
    }

    fn complete(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            ticket.complete(outcome);
        }
    }
}

/// How a call went for its instance, by the status in its headers or trailers. A status that blames the request is a
/// success of the instance.
pub(crate) fn outcome(headers: &HeaderMap) -> Outcome {
    match code(headers) {
        Some(Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded) => {
            Outcome::Failure
        }
        _ => Outcome::Success,
    }
}

/// The status in headers or trailers, if there is one.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.complete(outcome(trailers));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.complete(Outcome::Failure);
                Poll::Ready(Some(Err(broken(error, this.connection.instance()))))
            }
            Poll::Ready(None) => {
                this.complete(Outcome::Success);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let Some(deadline) = &mut this.deadline else { return Poll::Pending };
                if deadline.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.deadline = None;
                this.complete(Outcome::Failure);
                let id = this.connection.instance().id();
                let late = Status::deadline_exceeded(format!("{id} has not ended its answer in time"));
                Poll::Ready(Some(Err(late)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("instance", &self.connection.instance().id())
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
