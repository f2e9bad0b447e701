//! A client with nothing but request and response in its type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sd_core::{BoxError, Completion};
use tower_service::Service;

use crate::call_error::BoxedError;
use crate::policy::RetryPolicy;
use crate::retry_error::RetryError;
use crate::retrying::Retrying;

/// A client with nothing but request and response in its type, for those who keep one in their own types without making
/// these generic. Each call allocates its future once. Made by [`Client::boxed`](crate::Client::boxed), and from any
/// [`Retrying`].
///
/// Services whose error is a `BoxError` get one here that is a `std::error::Error`, too.
pub struct BoxClient<Req, Rsp> {
    caller: Arc<dyn Caller<Req, Rsp>>,
}

/// A call through a [`BoxClient`].
pub type BoxCall<Rsp> = Pin<Box<dyn Future<Output = Result<Rsp, RetryError<BoxedError>>> + Send>>;

trait Caller<Req, Rsp>: Send + Sync {
    fn call(&self, request: Req) -> BoxCall<Rsp>;
}

impl<Req, Rsp> BoxClient<Req, Rsp> {
    /// Hides what `retrying` is made of.
    #[must_use]
    pub fn new<S, P, C>(retrying: Retrying<S, P, C>) -> Self
    where
        S: Service<Req, Error: Into<BoxError> + Send, Future: Send> + Clone + Send + Sync + 'static,
        P: RetryPolicy<Req, Rsp, S::Error> + 'static,
        C: Completion<S::Response, Tracked = Rsp> + 'static,
        Req: Send + 'static,
    {
        Self { caller: Arc::new(retrying) }
    }

    /// Calls one instance, and others when that fails and the client was built with retry.
    ///
    /// # Errors
    /// [`RetryError`] with every attempt.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the call.
    pub fn call(&self, request: Req) -> BoxCall<Rsp> {
        self.caller.call(request)
    }
}

impl<S, P, C, Req> Caller<Req, C::Tracked> for Retrying<S, P, C>
where
    S: Service<Req, Error: Into<BoxError> + Send, Future: Send> + Clone + Send + Sync + 'static,
    P: RetryPolicy<Req, C::Tracked, S::Error> + 'static,
    C: Completion<S::Response> + 'static,
    Req: Send + 'static,
{
    fn call(&self, request: Req) -> BoxCall<C::Tracked> {
        let call = Self::call(self, request);
        Box::pin(async move { call.await.map_err(RetryError::boxed) })
    }
}

impl<Req, Rsp> Clone for BoxClient<Req, Rsp> {
    fn clone(&self) -> Self {
        Self { caller: Arc::clone(&self.caller) }
    }
}

impl<Req, Rsp> fmt::Debug for BoxClient<Req, Rsp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxClient").finish_non_exhaustive()
    }
}

impl<Req, Rsp> Service<Req> for BoxClient<Req, Rsp> {
    type Response = Rsp;
    type Error = RetryError<BoxedError>;
    type Future = BoxCall<Rsp>;

    /// Always ready.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        Self::call(self, request)
    }
}
