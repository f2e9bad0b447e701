//! Why one attempt at a call failed.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{BoxError, Instance, NoEndpoints};

/// Why one attempt at a call failed.
///
/// It is a `std::error::Error` where the service's own error is one. Of a service whose error is a `BoxError` (tower's
/// buffer, say), [`map`](Self::map) with [`BoxedError::new`](crate::BoxedError::new) makes one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// Nobody could be picked; nothing was sent.
    #[error(transparent)]
    NoEndpoints(#[from] NoEndpoints),
    /// The instance's service failed.
    #[error("the call to {} failed", .instance.id())]
    #[non_exhaustive]
    Service {
        /// Who was called.
        instance: Arc<Instance>,
        /// What its service said.
        source: E,
    },
    /// It answered, and the policy asked for another attempt.
    #[error("the answer of {} was not accepted", .instance.id())]
    #[non_exhaustive]
    Unaccepted {
        /// Who was called.
        instance: Arc<Instance>,
    },
    /// It did not answer in time.
    #[error("no answer from {} within {after:?}", .instance.id())]
    #[non_exhaustive]
    TimedOut {
        /// Who was called.
        instance: Arc<Instance>,
        /// How long it was waited for.
        after: Duration,
    },
}

impl<E> CallError<E> {
    /// Who was called; `None` when nobody was.
    #[must_use]
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        match self {
            Self::NoEndpoints(_) => None,
            Self::Service { instance, .. } | Self::Unaccepted { instance } | Self::TimedOut { instance, .. } => {
                Some(instance)
            }
        }
    }

    /// What the instance's service said, if it was that which failed.
    #[must_use]
    pub fn service_error(&self) -> Option<&E> {
        match self {
            Self::Service { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The same with another error of the service.
    pub fn map<T>(self, change: impl FnOnce(E) -> T) -> CallError<T> {
        match self {
            Self::NoEndpoints(nobody) => CallError::NoEndpoints(nobody),
            Self::Service { instance, source } => CallError::Service { instance, source: change(source) },
            Self::Unaccepted { instance } => CallError::Unaccepted { instance },
            Self::TimedOut { instance, after } => CallError::TimedOut { instance, after },
        }
    }
}

/// Any error, as one that is a `std::error::Error` itself, which a `BoxError` is not.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BoxedError(BoxError);

impl BoxedError {
    /// Wraps `error`.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }

    /// The error itself.
    #[must_use]
    pub fn into_inner(self) -> BoxError {
        self.0
    }

    /// The error itself, to look at.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}
