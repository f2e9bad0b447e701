//! From an instance to a live service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::BoxError;
use crate::instance::Instance;

/// A service in the making.
pub enum Connecting<S> {
    /// Made, or failed, at once.
    Now(Result<S, BoxError>),
    /// Being made.
    Later(Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>),
}

impl<S> fmt::Debug for Connecting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(Ok(_)) => "Connecting::Now(Ok)",
            Self::Now(Err(_)) => "Connecting::Now(Err)",
            Self::Later(_) => "Connecting::Later",
        })
    }
}

/// Makes a live service for an instance: a channel, a connection pool.
///
/// # Contract
/// It is asked once per (id, address), and again with backoff when it failed; weight, health and metadata changes keep
/// the service. `make` must not block. A service that is being made may be dropped at any time. One that says when it is
/// [`lost`](Self::lost) is not picked from then on, and is made anew.
pub trait Factory: Send + Sync + 'static {
    /// What it makes. A clone is another handle to the same connection.
    type Service: Clone + Send + Sync + 'static;

    /// Makes the service for `instance`.
    fn make(&self, instance: Arc<Instance>) -> Connecting<Self::Service>;

    /// Resolves, with the cause, when a service that was made is of no more use: its only connection has broken, say.
    ///
    /// It is then made anew, and nobody picks the instance meanwhile: at once, but with backoff where one was lost after
    /// the other and neither lasted for 5 s. The future must not keep the service alive. Default: services mend themselves, and are kept until
    /// their instance is gone.
    fn lost(&self, service: &Self::Service) -> Option<Pin<Box<dyn Future<Output = BoxError> + Send>>> {
        let _ = service;
        None
    }
}

/// A factory from a function that is done at once: services that connect when they are first called.
pub fn factory_fn<F, S, E>(make: F) -> impl Factory<Service = S>
where
    F: Fn(Arc<Instance>) -> Result<S, E> + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
    E: Into<BoxError> + 'static,
{
    FactoryFn(move |instance| Connecting::Now(make(instance).map_err(Into::into)))
}

/// A factory from a function that connects. It does not hold up other instances, and is bounded in time.
pub fn async_factory_fn<F, Fut, S, E>(make: F) -> impl Factory<Service = S>
where
    F: Fn(Arc<Instance>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, E>> + Send + 'static,
    S: Clone + Send + Sync + 'static,
    E: Into<BoxError> + 'static,
{
    FactoryFn(move |instance| {
        let connecting = make(instance);
        Connecting::Later(Box::pin(async move { connecting.await.map_err(Into::into) }))
    })
}

struct FactoryFn<F>(F);

impl<F, S> Factory for FactoryFn<F>
where
    F: Fn(Arc<Instance>) -> Connecting<S> + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    type Service = S;

    fn make(&self, instance: Arc<Instance>) -> Connecting<S> {
        (self.0)(instance)
    }
}
