//! From what ZooKeeper and its client say to what the caller can do about it.

use std::future::Future;

use sd_core::{Error, ErrorKind};
use tokio::time::Instant;
use zookeeper_client::Error as Said;

/// The backend's name, as its URL scheme.
pub(crate) const NAME: &str = "zookeeper";

/// An error of ZooKeeper, as this library says it, and as the client said it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) said: Said,
}

impl Failure {
    pub(crate) fn new(said: Said, operation: &'static str) -> Self {
        Self { error: in_our_words(&said, operation), said }
    }

    /// The server knows no such request: it is older than the request.
    pub(crate) fn is_unknown_request(&self) -> bool {
        self.said == Said::Unimplemented
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// An error of this backend.
pub(crate) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_backend(NAME).during(operation)
}

/// What is answered by `deadline`; the client itself bounds nothing while it is connected.
pub(crate) async fn answer<T, E: Into<Said>>(
    deadline: Instant,
    operation: &'static str,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(deadline, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(said)) => Err(Failure::new(said.into(), operation)),
        Err(_) => Err(late(operation)),
    }
}

/// Nothing was answered in time.
pub(crate) fn late(operation: &'static str) -> Failure {
    let error = error(ErrorKind::Unavailable, operation, "ZooKeeper did not answer in time");
    Failure { error, said: Said::Timeout }
}

/// Requests that were under way when a connection broke fail in many ways: as a connection loss, as an error of the
/// operating system, as a text about silence. So everything that is not known to be an answer is taken for that.
fn in_our_words(said: &Said, operation: &'static str) -> Error {
    let (kind, message) = match said {
        Said::NoAuth => (ErrorKind::Unauthorized, "the credentials lack the right"),
        Said::AuthFailed => (ErrorKind::Unauthorized, "ZooKeeper refuses the credentials"),
        Said::NoNode => (ErrorKind::NotFound, "there is no such node"),
        Said::NodeExists | Said::BadVersion => (ErrorKind::Conflict, "somebody else wrote the node"),
        Said::NotEmpty => (ErrorKind::Conflict, "the node has children"),
        Said::BadArguments(_) => (ErrorKind::Config, "it can't be sent"),
        Said::InvalidAcl => (ErrorKind::Config, "ZooKeeper takes acl=creator from a session that is logged in only"),
        Said::NoChildrenForEphemerals => (ErrorKind::Config, "the node above is ephemeral, and can't have children"),
        Said::Unimplemented => (ErrorKind::Unsupported, "this ZooKeeper does not know the request"),
        Said::UnmarshalError { .. } | Said::MarshallingError | Said::UnexpectedErrorCode(_) => {
            (ErrorKind::Protocol, "ZooKeeper's answer makes no sense")
        }
        Said::SessionExpired | Said::SessionMoved | Said::ClientClosed => {
            (ErrorKind::Unavailable, "the session has ended")
        }
        Said::QuotaExceeded | Said::Throttled => (ErrorKind::Unavailable, "ZooKeeper is overloaded or full"),
        Said::NotReadOnly => (ErrorKind::Unavailable, "the server is cut off from its ensemble"),
        _ => (ErrorKind::Unavailable, "the connection broke"),
    };
    error(kind, operation, message).with_source(said.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_zookeeper_says_tells_the_caller_what_to_do() {
        for (said, kind, retryable) in [
            (Said::NoAuth, ErrorKind::Unauthorized, false),
            (Said::AuthFailed, ErrorKind::Unauthorized, false),
            (Said::NoNode, ErrorKind::NotFound, false),
            (Said::BadVersion, ErrorKind::Conflict, true),
            (Said::InvalidAcl, ErrorKind::Config, false),
            (Said::Unimplemented, ErrorKind::Unsupported, false),
            (Said::ConnectionLoss, ErrorKind::Unavailable, true),
            (Said::SessionExpired, ErrorKind::Unavailable, true),
            (Said::Timeout, ErrorKind::Unavailable, true),
            (Said::UnexpectedError("BUG".to_owned()), ErrorKind::Unavailable, true),
        ] {
            let failure = Failure::new(said.clone(), "register");
            assert_eq!((failure.error.kind(), failure.error.is_retryable()), (kind, retryable), "{said:?}");
            assert_eq!((failure.error.backend(), failure.error.operation()), (NAME, "register"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_unavailable() {
        let deadline = Instant::now() + std::time::Duration::from_secs(1);
        let never = std::future::pending::<Result<(), Said>>();
        let failure = answer(deadline, "probe", never).await.unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::Unavailable);
    }
}
