//! From what Consul says to what the caller can do about it.

use sd_core::{Error, ErrorKind};

/// The backend's name, as its URL scheme.
pub(crate) const NAME: &str = "consul";

/// An error of Consul, as this library says it, and what Consul itself said.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The HTTP status, where there was an answer.
    pub(crate) status: Option<u16>,
    says: String,
}

/// How much of what Consul says is kept.
const SAID: usize = 300;

impl Failure {
    /// No answer, or none that can be used.
    pub(crate) fn unanswered(error: Error) -> Self {
        Self { error: error.with_backend(NAME), status: None, says: String::new() }
    }

    /// An answer that says no.
    pub(crate) fn answered(status: u16, body: &[u8], operation: &'static str) -> Self {
        let says: String = String::from_utf8_lossy(body).trim().chars().take(SAID).collect();
        let (kind, message) = meaning(status, &says);
        let cause = if says.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {says}") };
        Self { error: error(kind, operation, message).with_source(cause), status: Some(status), says }
    }

    /// Whether it says that the agent does not have the check: with status 500 up to Consul 1.11, with 404 later.
    pub(crate) fn is_unknown_check(&self) -> bool {
        let words = ["does not have associated TTL", "Unknown check", "unknown check"];
        self.status.is_some() && words.iter().any(|word| self.says.contains(word))
    }

    /// Whether the token is not one that Consul knows, as against one that lacks a right.
    pub(crate) fn is_unknown_token(&self) -> bool {
        self.says.contains("ACL not found")
    }

    /// Whether nobody answered: the agent is away, mute, or out of reach.
    pub(crate) fn is_silence(&self) -> bool {
        self.status.is_none() && self.error.kind() == ErrorKind::Unavailable
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

fn meaning(status: u16, says: &str) -> (ErrorKind, &'static str) {
    // Some refusals by a server come through the agent as its own failure.
    if says.contains("ACL not found") {
        return (ErrorKind::Unauthorized, "Consul does not know the token");
    }
    if says.contains("Permission denied") {
        return (ErrorKind::Unauthorized, "the token lacks the right");
    }
    match status {
        400 if says.contains("HTTP request to an HTTPS server") => {
            (ErrorKind::Config, "the agent speaks TLS there; give tls=true, or a ca")
        }
        400 => (ErrorKind::Config, "Consul refuses the request"),
        401 | 403 => (ErrorKind::Unauthorized, "Consul refuses the token"),
        404 => (ErrorKind::NotFound, "the agent does not have it"),
        429 => (ErrorKind::Unavailable, "the agent is asked too much at once"),
        500 if says.contains("No cluster leader") => (ErrorKind::Unavailable, "Consul has no leader now"),
        500 if says.contains("No path to datacenter") => {
            (ErrorKind::Unavailable, "this Consul knows no such data centre, or can't reach it")
        }
        500.. => (ErrorKind::Unavailable, "Consul is not well"),
        _ => (ErrorKind::Protocol, "an answer that is not Consul's"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_consul_says_tells_the_caller_what_to_do() {
        for (status, says, kind) in [
            (400, "Invalid service address", ErrorKind::Config),
            (403, "Permission denied", ErrorKind::Unauthorized),
            (403, "ACL not found", ErrorKind::Unauthorized),
            (500, "rpc error making call: Permission denied", ErrorKind::Unauthorized),
            (404, "unknown service ID: x", ErrorKind::NotFound),
            (429, "", ErrorKind::Unavailable),
            (500, "No cluster leader", ErrorKind::Unavailable),
            (500, "No path to datacenter", ErrorKind::Unavailable),
            (503, "", ErrorKind::Unavailable),
            (301, "", ErrorKind::Protocol),
        ] {
            let failure = Failure::answered(status, says.as_bytes(), "register");
            assert_eq!(failure.error.kind(), kind, "{status} {says}");
            assert_eq!((failure.error.backend(), failure.error.operation()), (NAME, "register"));
            assert!(!failure.is_silence());
        }
        assert!(Failure::unanswered(Error::unavailable("x")).is_silence());
    }

    #[test]
    fn an_unknown_check_is_known_by_its_words_whatever_the_status() {
        for (status, says) in [
            (500, "CheckID \"x\" does not have associated TTL"),
            (500, "Unknown check \"x\""),
            (404, "Unknown check ID \"x\". Ensure that the check ID is passed, not the check name."),
        ] {
            assert!(Failure::answered(status, says.as_bytes(), "heartbeat").is_unknown_check());
        }
        assert!(!Failure::answered(500, b"No cluster leader", "heartbeat").is_unknown_check());
    }
}
