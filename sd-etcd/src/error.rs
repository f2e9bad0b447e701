//! From what etcd and its client say to what the caller can do about it.

use sd_core::{Error, ErrorKind};

/// The backend's name, as its URL scheme.
pub(crate) const NAME: &str = "etcd";

/// What an error means for the connection it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The answer stands; the connection is fine.
    Nobody,
    /// The endpoint is out of reach or unwell: use another one.
    Endpoint,
    /// Token or credentials are refused: read them again and connect anew.
    Credentials,
}

/// An error of etcd, as this library says it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) blame: Blame,
    /// The history asked for is no longer there.
    pub(crate) compacted: bool,
    /// The answer was larger than we decode.
    pub(crate) too_large: bool,
}

impl Failure {
    pub(crate) fn new(error: Error, blame: Blame) -> Self {
        Self { error: error.with_backend(NAME), blame, compacted: false, too_large: false }
    }
}

/// An error of this backend.
pub(crate) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_backend(NAME).during(operation)
}

/// What etcd answered, or that it did not.
pub(crate) fn failure(error: etcd_client::Error, operation: &'static str) -> Failure {
    use etcd_client::Error as E;
    let (kind, message, blame) = match &error {
        E::GRpcStatus(status) => {
            return of_status(status.code() as i32, status.message(), &chain(status), operation);
        }
        E::LeaseKeepAliveError(text) if text.contains("not found") => {
            (ErrorKind::NotFound, "the lease is gone", Blame::Nobody)
        }
        E::InvalidUri(_) | E::InvalidArgs(_) => (ErrorKind::Config, "it can't be dialled", Blame::Nobody),
        // Certificates are read anew at the next attempt: half-written files heal.
        E::TransportError(_) => {
            (ErrorKind::Unavailable, "TLS can't be set up, or it can't be reached", Blame::Endpoint)
        }
        _ => (ErrorKind::Unavailable, "the connection broke", Blame::Endpoint),
    };
    Failure::new(Error::new(kind, message).during(operation).with_source(causes(&error)), blame)
}

/// Why etcd cancelled a watch.
pub(crate) fn cancelled(reason: &str, operation: &'static str) -> Failure {
    let refused = ["auth", "permission denied", "user name"].iter().any(|word| reason.contains(word));
    let (kind, blame) =
        if refused { (ErrorKind::Unauthorized, Blame::Credentials) } else { (ErrorKind::Unavailable, Blame::Endpoint) };
    let reason = if reason.is_empty() { "no reason given" } else { reason };
    let error = Error::new(kind, "etcd cancelled the watch").during(operation).with_source(reason.to_owned());
    Failure::new(error, blame)
}

/// gRPC's codes, by number: tonic is not among our dependencies.
fn of_status(code: i32, text: &str, causes: &str, operation: &'static str) -> Failure {
    let says = |word: &str| text.contains(word);
    let (kind, message, blame) = match code {
        3 if says("authentication failed") || says("user name is empty") => {
            (ErrorKind::Unauthorized, "user or password is wrong", Blame::Credentials)
        }
        3 if says("auth store is old") => (ErrorKind::Unavailable, "the token has grown old", Blame::Credentials),
        3 if says("too large") => (ErrorKind::Config, "the value is larger than this etcd takes", Blame::Nobody),
        5 => (ErrorKind::NotFound, "etcd does not have it", Blame::Nobody),
        7 => (ErrorKind::Unauthorized, "the user lacks the right", Blame::Nobody),
        16 => (ErrorKind::Unauthorized, "etcd refuses the credentials", Blame::Credentials),
        8 if says("too many requests") || says("space exceeded") => {
            (ErrorKind::Unavailable, "etcd is overloaded or full", Blame::Nobody)
        }
        8 => (ErrorKind::Config, "the request is larger than this etcd takes", Blame::Nobody),
        11 => (ErrorKind::Protocol, "out of range", Blame::Nobody),
        12 => (ErrorKind::Unsupported, "this etcd does not know the request", Blame::Nobody),
        3 | 15 => (ErrorKind::Protocol, "etcd refuses the request", Blame::Nobody),
        // A TLS alert arrives as a torn stream; one about certificates will not heal by itself.
        _ if causes.contains("received fatal alert") && causes.contains("Certificate") => {
            (ErrorKind::Unauthorized, "etcd refuses our certificate", Blame::Endpoint)
        }
        // 2 is what a torn stream looks like, so nothing is read into it.
        _ => (ErrorKind::Unavailable, "etcd can't be reached, or is not well", Blame::Endpoint),
    };
    let error = Error::new(kind, message).during(operation).with_source(format!("{text}{causes}"));
    Failure {
        compacted: code == 11 && says("compacted"),
        too_large: says("message length too large") || (code == 8 && says("larger than max")),
        ..Failure::new(error, blame)
    }
}

/// The error and its causes, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    format!("{error}{}", chain(error))
}

/// The causes below `error`, each after a colon, none twice.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_tells_the_caller_what_to_do() {
        for (code, text, kind, blame) in [
            (2, "h2 protocol error: error reading a body", ErrorKind::Unavailable, Blame::Endpoint),
            (
                3,
                "etcdserver: authentication failed, invalid user ID or password",
                ErrorKind::Unauthorized,
                Blame::Credentials,
            ),
            (3, "etcdserver: request is too large", ErrorKind::Config, Blame::Nobody),
            (3, "etcdserver: revision of auth store is old", ErrorKind::Unavailable, Blame::Credentials),
            (5, "etcdserver: requested lease not found", ErrorKind::NotFound, Blame::Nobody),
            (7, "etcdserver: permission denied", ErrorKind::Unauthorized, Blame::Nobody),
            (8, "trying to send message larger than max", ErrorKind::Config, Blame::Nobody),
            (8, "etcdserver: mvcc: database space exceeded", ErrorKind::Unavailable, Blame::Nobody),
            (14, "etcdserver: no leader", ErrorKind::Unavailable, Blame::Endpoint),
            (16, "etcdserver: invalid auth token", ErrorKind::Unauthorized, Blame::Credentials),
        ] {
            let failure = of_status(code, text, "", "register");
            assert_eq!((failure.error.kind(), failure.blame), (kind, blame), "{text}");
            assert_eq!((failure.error.backend(), failure.error.operation()), (NAME, "register"));
        }
    }

    #[test]
    fn compaction_and_size_are_told_apart() {
        assert!(of_status(11, "etcdserver: mvcc: required revision has been compacted", "", "watch").compacted);
        assert!(of_status(11, "Error, decoded message length too large: found 5 bytes", "", "watch").too_large);
    }

    #[test]
    fn a_refused_certificate_is_a_refusal() {
        let failure = of_status(2, "transport error", ": received fatal alert: CertificateRequired", "probe");
        assert_eq!(failure.error.kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn a_cancelled_watch_names_the_reason_as_its_cause() {
        let failure = cancelled("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", "watch");
        assert_eq!((failure.error.kind(), failure.blame), (ErrorKind::Unauthorized, Blame::Credentials));
        assert_eq!(cancelled("", "watch").error.kind(), ErrorKind::Unavailable);
    }
}
