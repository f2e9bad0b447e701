//! A call is complete when its stream has ended.

use http::Response;
use sd_core::{Completion, Ticket};

use crate::response_body::ResponseBody;

/// A call is complete when its response's stream has ended, with its status: for `sd-lb` over
/// [`Connection`](crate::Connection)s. A unary call's stream is one message.
#[derive(Debug, Clone, Copy, Default)]
pub struct AtStreamEnd;

impl Completion<Response<ResponseBody>> for AtStreamEnd {
    type Tracked = Response<ResponseBody>;

    fn track(&self, response: Response<ResponseBody>, ticket: Ticket) -> Response<ResponseBody> {
        let (head, mut body) = response.into_parts();
        body.carry(ticket, &head.headers);
        Response::from_parts(head, body)
    }
}
