//! A service, ready to be called: endpoints, policy and retry in one value.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use sd_core::{AtHead, BoxError, Completion, DefaultEndpointer, EndpointCell, Filter, Subscription};
use tower_service::Service;

use crate::box_client::BoxClient;
use crate::client_builder::ClientBuilder;
use crate::counted::Counted;
use crate::policy::{Never, RetryPolicy};
use crate::retry_error::RetryError;
use crate::retrying::{RetryFuture, Retrying};

/// A service, ready to be called: endpoints, policy and retry in one value. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use sd_core::{Address, Error, FixedInstancer, Instance, Instancer, factory_fn};
/// use sd_lb::{Client, Retry, RoundRobin};
/// # use std::sync::Arc;
/// # #[derive(Clone)] struct Channel(Arc<Instance>);
/// # impl tower_service::Service<u32> for Channel {
/// #     type Response = u32;
/// #     type Error = std::io::Error;
/// #     type Future = std::future::Ready<Result<u32, std::io::Error>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::io::Error>> {
/// #         std::task::Poll::Ready(Ok(()))
/// #     }
/// #     fn call(&mut self, request: u32) -> Self::Future { std::future::ready(Ok(request + 1)) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let registry = FixedInstancer::new([Instance::new("127.0.0.1:1".parse::<Address>()?)]);
/// let book = Client::builder(registry.subscribe(&"book".parse()?))
///     .balancer(RoundRobin::new())
///     .retry(Retry::attempts(3).within(Duration::from_secs(3)))
///     .connect_with(factory_fn(|instance| Ok::<_, Error>(Channel(instance))))?;
/// let answer = book.call(41).await?;
/// # assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
pub struct Client<S, P = Never, C = AtHead> {
    retrying: Retrying<S, P, C>,
    endpointer: Arc<DefaultEndpointer<S>>,
}

impl Client<()> {
    /// Begins a client of what `subscription` follows.
    pub fn builder(subscription: Subscription) -> ClientBuilder {
        ClientBuilder::new(subscription)
    }
}

impl<S, P, C> Client<S, P, C> {
    pub(crate) fn new(retrying: Retrying<S, P, C>, endpointer: Arc<DefaultEndpointer<S>>) -> Self {
        Self { retrying, endpointer }
    }

    /// Calls one instance, and others when that fails and the client was built with retry.
    ///
    /// # Errors
    /// [`RetryError`] with every attempt.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the call. What an instance did by then is done.
    pub fn call<Req>(&self, request: Req) -> RetryFuture<S, Req, P, C>
    where
        S: Service<Req>,
        C: Completion<S::Response>,
    {
        self.retrying.call(request)
    }

    /// The closure form, for generated clients: see [`Retrying::run`].
    ///
    /// # Errors
    /// [`RetryError`] with every attempt.
    #[allow(clippy::future_not_send, reason = "it is Send when the closure, the request and the results are")]
    pub fn run<Req, F, Fut, T, E>(
        &self,
        request: Req,
        run: F,
    ) -> impl Future<Output = Result<T, RetryError<E>>> + use<S, P, C, Req, F, Fut, T, E>
    where
        S: Clone + Send + Sync + 'static,
        P: RetryPolicy<Req, T, E>,
        C: Clone,
        F: FnMut(Counted<S, C>, Req) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.retrying.run(request, run)
    }

    /// The same as a `tower::Service`. It lives on without this client.
    #[must_use]
    pub fn service(&self) -> Retrying<S, P, C> {
        self.retrying.clone()
    }

    /// The same with nothing but request and response in its type.
    #[must_use]
    pub fn boxed<Req>(self) -> BoxClient<Req, C::Tracked>
    where
        S: Service<Req, Error: Into<BoxError> + Send, Future: Send> + Clone + Send + Sync + 'static,
        P: RetryPolicy<Req, C::Tracked, S::Error> + 'static,
        C: Completion<S::Response> + 'static,
        Req: Send + 'static,
    {
        BoxClient::new(self.retrying)
    }

    /// Where the present set stands: who may be picked, who may not and why.
    #[must_use]
    pub fn endpoints(&self) -> &Arc<EndpointCell<S>> {
        self.retrying.balanced().cell()
    }

    /// Wants other instances from now on. Connections to those that stay are kept.
    pub fn set_filter(&self, filter: Filter) {
        self.endpointer.set_filter(filter);
    }
}

impl<S, P, C> Clone for Client<S, P, C> {
    fn clone(&self) -> Self {
        Self { retrying: self.retrying.clone(), endpointer: Arc::clone(&self.endpointer) }
    }
}

impl<S, P, C> fmt::Debug for Client<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.retrying).finish()
    }
}
