//! One HTTP/2 connection to an instance, shared by all calls to it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::client::conn::http2::SendRequest;
use sd_core::{BoxError, Instance};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::destination::Destination;
use crate::failure::Failure;
use crate::request_body::RequestBody;
use crate::response_body::ResponseBody;

/// One HTTP/2 connection to an instance, shared by all calls to it. A clone is another handle.
///
/// It is what [`Connector`](crate::Connector) makes, and a channel for generated clients: what the closure form of
/// `sd-lb` hands on. Most programs use [`Channel`](crate::Channel) instead.
///
/// It closes when the last handle is gone and the last call on it has ended.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    sender: SendRequest<RequestBody>,
    scheme: Scheme,
    authority: Authority,
    user_agent: HeaderValue,
    instance: Arc<Instance>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Connection {
    pub(crate) fn new(
        sender: SendRequest<RequestBody>,
        destination: Destination,
        user_agent: HeaderValue,
        instance: Arc<Instance>,
        ended: watch::Receiver<Option<Ended>>,
    ) -> Self {
        let Destination { scheme, authority, .. } = destination;
        Self { inner: Arc::new(Inner { sender, scheme, authority, user_agent, instance, ended }) }
    }

    /// Whom it was made to.
    #[must_use]
    pub fn instance(&self) -> &Arc<Instance> {
        &self.inner.instance
    }

    /// Resolves, with the cause, when it takes no further calls. Keeps nothing alive.
    pub(crate) fn ended(&self) -> impl Future<Output = BoxError> + Send + use<> {
        let mut ended = self.inner.ended.clone();
        async move {
            let cause = ended.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
            cause.unwrap_or_else(Ended::closed).into()
        }
    }

    /// Sends one request: `path` and `headers` as generated clients make them.
    pub(crate) async fn send(
        &self,
        path: PathAndQuery,
        headers: HeaderMap,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Failure> {
        let request = self.request(path, headers, body);
        // A handle of its own: sending takes `&mut`.
        let sent = self.inner.sender.clone().try_send_request(request).await;
        match sent {
            Ok(response) => Ok(response.map(|body| ResponseBody::new(body, self.clone()))),
            Err(error) => Err(Failure::new(error, &self.inner.instance)),
        }
    }

    fn request(&self, path: PathAndQuery, headers: HeaderMap, body: RequestBody) -> Request<RequestBody> {
        let mut uri = http::uri::Parts::default();
        (uri.scheme, uri.authority) = (Some(self.inner.scheme.clone()), Some(self.inner.authority.clone()));
        uri.path_and_query = Some(path);
        let mut request = Request::new(body);
        // All three parts are there, so that it can't fail.
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.inner.user_agent.clone());
        request
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    /// Always ready; a connection that has ended fails its calls with `Unavailable`.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
            connection.send(path, head.headers, body.into()).await.map_err(Failure::into_status)
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("instance", &self.inner.instance.id())
            .field("authority", &self.inner.authority)
            .field("ended", &*self.inner.ended.borrow())
            .finish_non_exhaustive()
    }
}

/// Why a connection takes no further calls.
#[derive(Debug, Clone)]
pub(crate) struct Ended(Option<Arc<hyper::Error>>);

impl Ended {
    /// The server has closed it, or is about to.
    pub(crate) fn closed() -> Self {
        Self(None)
    }

    pub(crate) fn failed(error: hyper::Error) -> Self {
        Self(Some(Arc::new(error)))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "the connection broke" } else { "the server closed the connection" })
    }
}

impl std::error::Error for Ended {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|error| error as _)
    }
}
