//! When is a response complete?

use crate::load::{Outcome, Ticket};

/// When is a response complete: at its head, or when its body or stream has ended?
///
/// # Contract
/// `track` hands the ticket on to whatever ends with the response, or completes it at once. A response that is dropped
/// half-way drops its ticket.
pub trait Completion<Response>: Clone + Send + Sync {
    /// The response that carries the ticket.
    type Tracked;

    /// Ties `ticket` to `response`.
    fn track(&self, response: Response, ticket: Ticket) -> Self::Tracked;
}

/// A response is complete when it is there: right for unary calls whose body is read at once. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct AtHead;

impl<Response> Completion<Response> for AtHead {
    type Tracked = Response;

    #[inline]
    fn track(&self, response: Response, ticket: Ticket) -> Response {
        ticket.complete(Outcome::Success);
        response
    }
}
