//! What a broken call means: was it processed, and which status says so.

use std::error::Error as StdError;
use std::sync::Arc;

use h2::Reason;
use hyper::client::conn::TrySendError;
use sd_core::Instance;
use tonic::{Code, Status};

use crate::request_body::RequestBody;

/// How an attempt failed without an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It never left this process. The request comes back where it was not lost with its connection's queue.
    Unsent { request: Option<Box<http::Request<RequestBody>>>, status: Status },
    /// The server has said that it did not look at it: it was going.
    Unprocessed(Status),
    /// The server has said that it did not look at it: it has too much to do.
    Refused(Status),
    /// It may have been processed.
    Broken(Status),
}

impl Failure {
    /// What hyper's error means.
    pub(crate) fn new(error: TrySendError<http::Request<RequestBody>>, instance: &Instance) -> Self {
        let mut error = error;
        let request = error.take_message().map(Box::new);
        let error = error.into_error();
        if request.is_some() || error.is_canceled() {
            return Self::Unsent { request, status: status(Code::Unavailable, "is gone", error, instance) };
        }
        match h2_error(&error) {
            // Streams above the last one that a GOAWAY names fail with that GOAWAY; those below fail with the
            // connection, or not at all.
            Some(h2) if h2.is_go_away() && h2.is_remote() => {
                Self::Unprocessed(status(Code::Unavailable, "is going", error, instance))
            }
            Some(h2) if h2.is_reset() && h2.is_remote() && h2.reason() == Some(Reason::REFUSED_STREAM) => {
                Self::Refused(status(Code::Unavailable, "refused the stream", error, instance))
            }
            _ => Self::Broken(broken(error, instance)),
        }
    }

    /// The status that the caller sees when nothing else is tried.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Unsent { status, .. } | Self::Unprocessed(status) | Self::Refused(status) | Self::Broken(status) => {
                status
            }
        }
    }
}

/// The status of a connection or stream that broke, by gRPC's table of HTTP/2 error codes.
pub(crate) fn broken(error: hyper::Error, instance: &Instance) -> Status {
    let code = match h2_error(&error) {
        Some(h2) if h2.is_io() => Code::Unavailable,
        // A GOAWAY ends the connection under everything that runs on it.
        Some(h2) if h2.is_go_away() && h2.is_remote() => Code::Unavailable,
        Some(h2) => match h2.reason() {
            Some(Reason::REFUSED_STREAM) => Code::Unavailable,
            Some(Reason::CANCEL) => Code::Cancelled,
            Some(Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
            Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
            Some(_) => Code::Internal,
            None => Code::Unavailable,
        },
        // Keep-alive's timeout, and connections that ended without a word.
        None => Code::Unavailable,
    };
    status(code, "broke", error, instance)
}

/// HTTP/2's error somewhere behind another.
pub(crate) fn h2_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a h2::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(h2) = error.downcast_ref() {
            return Some(h2);
        }
        next = error.source();
    }
    None
}

fn status(code: Code, what: &str, error: hyper::Error, instance: &Instance) -> Status {
    let mut status = Status::new(code, format!("the connection to {} {what}", instance.id()));
    status.set_source(Arc::new(error));
    status
}
