//! What may be tried again.

use std::fmt;

use crate::call_error::CallError;

/// What a policy says of an attempt's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a result stands, or it does not")]
pub enum Verdict {
    /// The result stands, success or failure.
    Stands,
    /// Another attempt may do better.
    TryAgain,
}

/// What may be tried again: it sees the typed result of an attempt.
///
/// # Contract
/// It is asked after every attempt, from many threads, and does not block. `clone_request` is asked before every attempt
/// but the last, which moves the request.
pub trait RetryPolicy<Req, Rsp, E>: Send + Sync {
    /// The same request once more. `None`: this request can be sent once only (an `http::Request` with a body that is
    /// being streamed, say).
    fn clone_request(&self, request: &Req) -> Option<Req>;

    /// Whether the result of an attempt stands. A response for which no further attempt can be made stands whatever
    /// this says.
    fn judge(&self, result: Result<&Rsp, &CallError<E>>) -> Verdict;

    /// Whether responses are judged at all. Default: true; `false` spares each call a reference count.
    fn judges_responses(&self) -> bool {
        true
    }

    /// What the request should stick to, for balancers by hash. Default: nothing.
    fn hash(&self, request: &Req) -> Option<u64> {
        let _ = request;
        None
    }
}

/// Every error is tried again, but not a set that is known to be empty; every response stands.
///
/// An error does not tell whether the instance did the work before it failed: this is meant for calls that may be done
/// twice. The default of [`Retry`](crate::Retry).
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryErrors;

impl<Req: Clone, Rsp, E> RetryPolicy<Req, Rsp, E> for RetryErrors {
    #[inline]
    fn clone_request(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }

    #[inline]
    fn judge(&self, result: Result<&Rsp, &CallError<E>>) -> Verdict {
        match result {
            Ok(_) | Err(CallError::NoEndpoints(_)) => Verdict::Stands,
            Err(_) => Verdict::TryAgain,
        }
    }

    #[inline]
    fn judges_responses(&self) -> bool {
        false
    }
}

/// Those errors of the service are tried again for which a function says yes, and attempts that ran out of their time or
/// that the instance's connection did not take. Every response stands. Made by [`Retry::only_if`](crate::Retry::only_if).
#[derive(Clone, Copy)]
pub struct RetryIf<F>(pub(crate) F);

impl<Req: Clone, Rsp, E, F: Fn(&E) -> bool + Send + Sync> RetryPolicy<Req, Rsp, E> for RetryIf<F> {
    #[inline]
    fn clone_request(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }

    #[inline]
    fn judge(&self, result: Result<&Rsp, &CallError<E>>) -> Verdict {
        match result {
            Err(CallError::Service { source, .. }) if !(self.0)(source) => Verdict::Stands,
            Ok(_) | Err(CallError::NoEndpoints(_)) => Verdict::Stands,
            Err(_) => Verdict::TryAgain,
        }
    }

    #[inline]
    fn judges_responses(&self) -> bool {
        false
    }
}

impl<F> fmt::Debug for RetryIf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryIf")
    }
}

/// Nothing is tried again. The request need not be `Clone`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

impl<Req, Rsp, E> RetryPolicy<Req, Rsp, E> for Never {
    #[inline]
    fn clone_request(&self, _request: &Req) -> Option<Req> {
        None
    }

    #[inline]
    fn judge(&self, _result: Result<&Rsp, &CallError<E>>) -> Verdict {
        Verdict::Stands
    }

    #[inline]
    fn judges_responses(&self) -> bool {
        false
    }
}
