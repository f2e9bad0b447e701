//! Why a call failed with all its attempts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{BoxError, Instance, NoEndpoints};

use crate::call_error::{BoxedError, CallError};

/// Why no further attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// There were as many attempts as were allowed.
    Exhausted,
    /// The call's total time is over. The attempt that was under way is noted as timed out.
    TimedOut,
    /// The policy says that the error stands, or that the request can't be sent again.
    NotRetryable,
    /// Too large a share of recent calls was retried already: what is called has trouble enough.
    BudgetExhausted,
    /// Nobody can be picked.
    NoEndpoints,
}

/// A call failed: why it was given up, and what became of every attempt.
///
/// Its [`source`](std::error::Error::source) is the last attempt's error.
#[derive(Debug)]
#[non_exhaustive]
pub struct RetryError<E> {
    /// Why no further attempt was made.
    pub reason: GaveUp,
    /// Every attempt, in the order they were made; never empty.
    pub attempts: Vec<Attempt<E>>,
    /// Attempts that were allowed.
    pub allowed: u32,
}

/// An attempt that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<E> {
    /// What went wrong.
    pub error: CallError<E>,
    /// How long it took. An attempt that was over before it ever had to wait took no time worth a look at the clock:
    /// zero.
    pub took: Duration,
}

impl<E> Attempt<E> {
    pub(crate) fn new(error: CallError<E>, took: Duration) -> Self {
        Self { error, took }
    }

    /// Who was called; `None` when nobody could be picked.
    #[must_use]
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        self.error.instance()
    }
}

impl<E> RetryError<E> {
    /// The error of the last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&CallError<E>> {
        self.attempts.last().map(|attempt| &attempt.error)
    }

    /// The same, as the error of its last attempt.
    #[must_use]
    pub fn into_last(mut self) -> Option<CallError<E>> {
        self.attempts.pop().map(|attempt| attempt.error)
    }

    /// That nobody could be picked, if that is why it was given up, or what it waited for last.
    #[must_use]
    pub fn no_endpoints(&self) -> Option<&NoEndpoints> {
        match self.last() {
            Some(CallError::NoEndpoints(nobody)) => Some(nobody),
            _ => None,
        }
    }

    /// The same with another error of the service.
    pub fn map<T>(self, mut change: impl FnMut(E) -> T) -> RetryError<T> {
        let Self { reason, attempts, allowed } = self;
        let attempts =
            attempts.into_iter().map(|attempt| Attempt::new(attempt.error.map(&mut change), attempt.took)).collect();
        RetryError { reason, attempts, allowed }
    }

    /// The same with the service's errors boxed, so that it is a `std::error::Error` whatever those are.
    #[must_use]
    pub fn boxed(self) -> RetryError<BoxedError>
    where
        E: Into<BoxError>,
    {
        self.map(BoxedError::new)
    }
}

impl<E> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (made, allowed) = (self.attempts.len(), self.allowed);
        let made_of = |f: &mut fmt::Formatter<'_>| write!(f, "{made} of {allowed} attempts");
        match self.reason {
            GaveUp::Exhausted => write!(f, "all {made} attempts failed"),
            GaveUp::TimedOut if made <= 1 && self.no_endpoints().is_some() => {
                f.write_str("the call's time was over before anybody could be picked")
            }
            GaveUp::TimedOut => {
                made_of(f)?;
                f.write_str(" when the call's time was over")
            }
            GaveUp::NotRetryable => {
                made_of(f)?;
                f.write_str(", the last with an error that is not tried again")
            }
            GaveUp::BudgetExhausted => {
                made_of(f)?;
                f.write_str(", and the retry budget is used up")
            }
            // Nobody was called, so there is no attempt to speak of.
            GaveUp::NoEndpoints if made <= 1 => f.write_str("nobody can be picked"),
            GaveUp::NoEndpoints => {
                made_of(f)?;
                f.write_str(", and nobody can be picked")
            }
        }?;
        let mut called = self.attempts.iter().filter_map(Attempt::instance).peekable();
        if called.peek().is_some() {
            f.write_str(" (")?;
            for (n, instance) in called.enumerate() {
                write!(f, "{}{}", if n == 0 { "" } else { ", " }, instance.id())?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last().map(|error| error as _)
    }
}
