//! A channel to all instances of a service, for generated clients.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use sd_core::{EndpointCell, Endpointer, Error, Filter, Subscription};
use sd_lb::{Balanced, Retry, Retrying};
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::call::call;
use crate::channel_builder::ChannelBuilder;
use crate::completion::AtStreamEnd;
use crate::connection::Connection;
use crate::response_body::ResponseBody;
use crate::shared::Shared;

/// A channel to all instances of a service: what a generated client takes. Made from a target URI by
/// [`Targets::channel`](crate::Targets::channel), or from a subscription by [`builder`](Self::builder). A clone costs
/// one reference count.
///
/// Each call picks an instance among those that are connected, and counts there until its answer's stream has ended.
///
/// # What is tried again
/// - What surely was not processed goes elsewhere, whatever the method: a request that never left, one that a server
///   disowned by a GOAWAY or refused. That holds for unary and server-streaming calls; of a stream that is being sent
///   only what never left.
/// - What may have been processed is tried again only as a [`RetryRule`](crate::RetryRule) says for its method.
///
/// The message is shared by all attempts, not copied.
///
/// # When nobody can be picked
/// A call fails with `Unavailable`, and the reason, when that is known. While it is undecided (the registry has not
/// answered yet, or connections are being made) calls wait: 3 s, or as long as their own time lasts if that is shorter.
/// Calls that [wait for somebody](ChannelBuilder::wait_for_ready) do so until their time is over.
///
/// # Time
/// A call's time is its own (`Request::set_timeout`), or its method's, or the channel's, whichever is shortest; none by
/// default, as gRPC has it. It covers waiting, all attempts, and the answer's stream, and each attempt tells the server
/// how much is left.
///
/// # Cancel safety
/// Dropping a call's future, or its answer's stream, gives up the call: its HTTP/2 stream is reset.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
}

impl Channel {
    /// Begins a channel to what `subscription` follows. Its registry must be kept by whoever has it.
    pub fn builder(subscription: Subscription) -> ChannelBuilder {
        ChannelBuilder::new("the service".to_owned(), subscription, None)
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Where the present set stands: who is connected, who is not and why.
    #[must_use]
    pub fn endpoints(&self) -> &Arc<EndpointCell<Connection>> {
        self.shared.endpointer.cell()
    }

    /// Wants other instances from now on. Connections to those that stay are kept.
    pub fn set_filter(&self, filter: Filter) {
        self.shared.endpointer.set_filter(filter);
    }

    /// The closure form, over the same connections: for several requests to one instance, and for what is tried again
    /// by more than statuses. This channel's method rules do not hold there; `retry` does.
    ///
    /// ```no_run
    /// # use sd_core::Error;
    /// # use sd_lb::Retry;
    /// # use tonic::{Code, Status};
    /// # struct BookServiceClient<T>(T);
    /// # impl<T> BookServiceClient<T> {
    /// #     fn new(channel: T) -> Self { Self(channel) }
    /// #     async fn get_book_info(&mut self, id: i32) -> Result<i32, Status> { Ok(id) }
    /// # }
    /// # async fn ask(channel: sd_tonic::Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// let retry = Retry::attempts(3).only_if(|status: &Status| status.code() == Code::Unavailable);
    /// let books = channel.retrying(retry)?;
    /// let book = books.run(1, |channel, id| async move { BookServiceClient::new(channel).get_book_info(id).await }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Config`, as [`Retry::wrap`] says.
    pub fn retrying<P>(&self, retry: Retry<P>) -> Result<Retrying<Connection, P, AtStreamEnd>, Error> {
        let shared = &*self.shared;
        let endpointer = Arc::clone(&shared.endpointer);
        retry.wrap(Balanced::new(endpointer).fail_fast(shared.fail_fast).completion(AtStreamEnd))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = ResponseFuture;

    /// Always ready: what a call waits for, it waits for itself.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        ResponseFuture(Box::pin(call(Arc::clone(&self.shared), request)))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &*self.shared;
        f.debug_struct("Channel").field("name", &shared.name).field("endpoints", shared.cell()).finish_non_exhaustive()
    }
}

/// A call through a [`Channel`], until the head of its answer.
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Status>> + Send>>);

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
