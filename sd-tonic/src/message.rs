//! One request on its way: what is sent, and what is kept to send it again.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::deadline::{self, GRPC_TIMEOUT};
use crate::request_body::RequestBody;
use std::time::Duration;

const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
}

impl Message {
    /// The same once more, if that is possible: its message is shared, not copied.
    pub(crate) fn again(&self) -> Option<Self> {
        let body = self.body.again()?;
        Some(Self { path: self.path.clone(), headers: self.headers.clone(), body })
    }

    /// Tells the server how much time is left.
    pub(crate) fn set_timeout(&mut self, left: Duration) {
        self.headers.insert(GRPC_TIMEOUT, deadline::header(left));
    }

    /// Tells the server how often others were asked before.
    pub(crate) fn set_previous_attempts(&mut self, attempts: u32) {
        self.headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(attempts));
    }
}

impl From<http::Request<RequestBody>> for Message {
    fn from(request: http::Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { path, headers: head.headers, body }
    }
}
