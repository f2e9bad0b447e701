//! One error for every backend: what went wrong, where, and whether trying again helps.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The cause kept in [`Error::source`](std::error::Error::source).
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What kind of thing went wrong, by what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is wrong: a URL, a name, an address, an option. Nothing was sent.
    Config,
    /// The registry refuses the credentials, or the credentials lack the right.
    Unauthorized,
    /// What was asked for is not there.
    NotFound,
    /// Somebody else holds it.
    Conflict,
    /// The registry, or an instance, can't be reached or doesn't answer in time.
    Unavailable,
    /// The other side answered with something that makes no sense.
    Protocol,
    /// The thing asked is already closed.
    Closed,
    /// This backend can't do that.
    Unsupported,
}

impl ErrorKind {
    /// Whether trying again can help without anybody changing anything.
    const fn transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Protocol | Self::Conflict)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "bad input",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol error",
            Self::Closed => "closed",
            Self::Unsupported => "unsupported",
        })
    }
}

/// An error of this library. Cheap to clone: several waiters may get the same one.
///
/// `Display` says what happened and never repeats its [`source`](std::error::Error::source); neither ever holds a
/// secret.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    backend: Cow<'static, str>,
    operation: Cow<'static, str>,
    message: String,
    retryable: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given kind; `message` says what was seen, and for bad input also what is allowed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            backend: Cow::Borrowed(""),
            operation: Cow::Borrowed(""),
            message: message.into(),
            retryable: kind.transient(),
            source: None,
        }))
    }

    /// Bad input: says what was given and what is allowed.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// The other side can't be reached, or doesn't answer in time.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// This backend can't do what was asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Names the backend it came from, as its URL scheme: `etcd`.
    #[must_use]
    pub fn with_backend(mut self, backend: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).backend = backend.into();
        self
    }

    /// Names what was being done: `register`, `watch`.
    #[must_use]
    pub fn during(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).operation = operation.into();
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::from(source.into()));
        self
    }

    /// Overrides whether trying again helps; by default the kind decides.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        Arc::make_mut(&mut self.0).retryable = retryable;
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The backend it came from, as its URL scheme; empty where none was involved.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.0.backend
    }

    /// What was being done; empty where it was not said.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What was seen, without backend and operation.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying the same again can help without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { backend, operation, message, .. } = &*self.0;
        if !backend.is_empty() {
            write!(f, "{backend}: ")?;
        }
        if !operation.is_empty() {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: {message}", self.0.kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("backend", &self.0.backend)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("retryable", &self.0.retryable)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn display_names_backend_and_operation_and_never_repeats_the_source() {
        let error = Error::unavailable("no answer in 5s")
            .with_backend("etcd")
            .during("register")
            .with_source("connection refused");
        assert_eq!(error.to_string(), "etcd: register: unavailable: no answer in 5s");
        assert_eq!(error.source().unwrap().to_string(), "connection refused");
    }

    #[test]
    fn the_kind_decides_whether_trying_again_helps_unless_told_otherwise() {
        assert!(Error::unavailable("x").is_retryable());
        assert!(!Error::config("x").is_retryable());
        assert!(!Error::new(ErrorKind::Unauthorized, "x").is_retryable());
        assert!(Error::new(ErrorKind::Unauthorized, "x").with_retryable(true).is_retryable());
    }

    #[test]
    fn a_clone_changed_later_leaves_the_first_as_it_was() {
        let first = Error::unavailable("x");
        let second = first.clone().with_backend("etcd");
        assert_eq!((first.backend(), second.backend()), ("", "etcd"));
    }
}
