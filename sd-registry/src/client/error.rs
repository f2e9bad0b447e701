//! From what the centre answers, or does not, to what the caller can do about it.

use http::StatusCode;
use sd_core::{Error, ErrorKind};

use super::wire::Problem;

/// The backend's name, as its URL scheme.
pub(crate) const NAME: &str = "sd";

/// How much of what a stranger wrote stands in an error.
const QUOTED: usize = 500;

/// What an error means for the connection it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The answer stands; the connection is fine.
    Nobody,
    /// The host is out of reach or unwell: use another one.
    Endpoint,
    /// The token is refused: read it again and connect anew.
    Credentials,
}

/// An error of the centre, as this library says it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) blame: Blame,
}

impl Failure {
    pub(crate) fn new(error: Error, blame: Blame) -> Self {
        Self { error: error.with_backend(NAME), blame }
    }

    /// The host did not do what a centre that is well does.
    pub(crate) fn of_endpoint(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Error::unavailable(message).during(operation), Blame::Endpoint)
    }

    /// What the host said makes no sense.
    pub(crate) fn of_protocol(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Error::new(ErrorKind::Protocol, message).during(operation), Blame::Endpoint)
    }
}

/// An error of this backend.
pub(crate) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_backend(NAME).during(operation)
}

/// A newer registrant holds the id: nothing that trying again would change.
pub(crate) fn superseded(operation: &'static str) -> Error {
    error(ErrorKind::Conflict, operation, "a newer registrant has taken this id").with_retryable(false)
}

/// A connection that could not be made or broke.
pub(crate) fn broken(operation: &'static str, cause: &(dyn std::error::Error + 'static)) -> Failure {
    let cause = causes(cause);
    // TLS 1.3 refuses a certificate after its handshake: the alert arrives with the first thing that is read.
    let (kind, message) = if cause.contains("received fatal alert") && cause.contains("Certificate") {
        (ErrorKind::Unauthorized, "it refuses our certificate (cert and key)")
    } else {
        (ErrorKind::Unavailable, "it can't be reached, or the connection broke")
    };
    Failure::new(Error::new(kind, message).during(operation).with_source(cause), Blame::Endpoint)
}

/// An answer other than success; `problem` is what it said about that, if it said it as a centre does.
pub(crate) fn refused(status: StatusCode, problem: Option<Problem>, operation: &'static str) -> Failure {
    let Some(problem) = problem else {
        // Not a word of a centre: a proxy between us, or somebody else's server.
        let message = format!("it answered {status} without saying why, as no registry centre does");
        return if status.is_server_error() {
            Failure::of_endpoint(operation, message)
        } else {
            Failure::of_protocol(operation, message)
        };
    };
    let (kind, blame) = match status.as_u16() {
        400 | 413 => (ErrorKind::Config, Blame::Nobody),
        401 => (ErrorKind::Unauthorized, Blame::Credentials),
        403 => (ErrorKind::Unauthorized, Blame::Nobody),
        404 => (ErrorKind::NotFound, Blame::Nobody),
        409 => return Failure::new(superseded(operation), Blame::Nobody),
        // It wants tokens, or another name in the URL; neither comes about by itself.
        421 => (ErrorKind::Config, Blame::Nobody),
        // A limit: others may leave room.
        429 => (ErrorKind::Unavailable, Blame::Nobody),
        405 | 415 => (ErrorKind::Protocol, Blame::Nobody),
        _ => (ErrorKind::Unavailable, Blame::Endpoint),
    };
    let said = if problem.detail.is_empty() { problem.kind } else { problem.detail };
    Failure::new(Error::new(kind, quoted(&said)).during(operation), blame)
}

/// As much of it as an error needs, in one line.
fn quoted(text: &str) -> String {
    let mut line: String = text.chars().take(QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED).is_some() {
        line.push('…');
    }
    line
}

/// The error and its causes, each after a colon, none twice.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// The same error, naming the host.
pub(crate) fn at(error: Error, authority: &str) -> Error {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let named = Error::new(error.kind(), format!("{authority}: {}", error.message()))
        .with_backend(NAME)
        .during(error.operation().to_owned())
        .with_retryable(error.is_retryable());
    match cause {
        Some(cause) => named.with_source(cause),
        None => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16) -> Failure {
        let problem =
            Problem { kind: "urn:sd:problem:x".to_owned(), detail: "weight 0: allowed are 1 to 65535".to_owned() };
        refused(StatusCode::from_u16(status).unwrap(), Some(problem), "register")
    }

    #[test]
    fn what_the_centre_says_tells_the_caller_what_to_do() {
        for (status, kind, blame, retryable) in [
            (400, ErrorKind::Config, Blame::Nobody, false),
            (401, ErrorKind::Unauthorized, Blame::Credentials, false),
            (403, ErrorKind::Unauthorized, Blame::Nobody, false),
            (404, ErrorKind::NotFound, Blame::Nobody, false),
            (409, ErrorKind::Conflict, Blame::Nobody, false),
            (413, ErrorKind::Config, Blame::Nobody, false),
            (421, ErrorKind::Config, Blame::Nobody, false),
            (429, ErrorKind::Unavailable, Blame::Nobody, true),
            (503, ErrorKind::Unavailable, Blame::Endpoint, true),
        ] {
            let failure = said(status);
            assert_eq!((failure.error.kind(), failure.blame), (kind, blame), "{status}");
            assert_eq!(failure.error.is_retryable(), retryable, "{status}");
            assert_eq!((failure.error.backend(), failure.error.operation()), (NAME, "register"));
        }
        assert!(said(400).error.to_string().contains("allowed are 1 to 65535"));
    }

    #[test]
    fn who_is_no_centre_is_not_believed() {
        let not_found = refused(StatusCode::NOT_FOUND, None, "update");
        assert_eq!((not_found.error.kind(), not_found.blame), (ErrorKind::Protocol, Blame::Endpoint));
        assert!(not_found.error.is_retryable());
        assert_eq!(refused(StatusCode::BAD_GATEWAY, None, "update").error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_strangers_text_stays_one_short_line() {
        let problem = Problem { kind: String::new(), detail: format!("a\nb{}", "x".repeat(2 * QUOTED)) };
        let text = refused(StatusCode::BAD_REQUEST, Some(problem), "register").error.to_string();
        assert!(text.contains("a bx") && text.ends_with('…') && text.len() < QUOTED + 50, "{text}");
    }

    #[test]
    fn a_refused_certificate_is_a_refusal() {
        let cause = std::io::Error::other("received fatal alert: CertificateRequired");
        assert_eq!(broken("probe", &cause).error.kind(), ErrorKind::Unauthorized);
        assert_eq!(broken("probe", &std::io::Error::other("reset")).error.kind(), ErrorKind::Unavailable);
    }
}
