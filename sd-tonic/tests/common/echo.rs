//! A service of all four kinds of calls, and its client: what tonic's generator makes of a .proto, with text for messages.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};

pub type Texts = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).map_err(|_| Status::internal("not text"))?))
    }
}

/// What a generated client looks like.
#[derive(Debug, Clone)]
pub struct EchoClient<T>(tonic::client::Grpc<T>);

impl<T> EchoClient<T>
where
    T: GrpcService<Body>,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    pub fn new(channel: T) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unknown(format!("not ready: {}", error.into())))
    }

    pub async fn unary(&mut self, text: impl tonic::IntoRequest<String>) -> Result<Response<String>, Status> {
        self.ready().await?;
        self.0.unary(text.into_request(), PathAndQuery::from_static("/test.Echo/Unary"), Text).await
    }

    /// The same as another method, of which other rules may hold.
    pub async fn other(&mut self, text: impl tonic::IntoRequest<String>) -> Result<Response<String>, Status> {
        self.ready().await?;
        self.0.unary(text.into_request(), PathAndQuery::from_static("/test.Echo/Other"), Text).await
    }

    pub async fn down(&mut self, text: &str) -> Result<Response<Streaming<String>>, Status> {
        self.ready().await?;
        let request = Request::new(text.to_owned());
        self.0.server_streaming(request, PathAndQuery::from_static("/test.Echo/Down"), Text).await
    }

    pub async fn up(&mut self, texts: impl Stream<Item = String> + Send + 'static) -> Result<Response<String>, Status> {
        self.ready().await?;
        self.0.client_streaming(Request::new(texts), PathAndQuery::from_static("/test.Echo/Up"), Text).await
    }

    pub async fn both(
        &mut self,
        texts: impl Stream<Item = String> + Send + 'static,
    ) -> Result<Response<Streaming<String>>, Status> {
        self.ready().await?;
        self.0.streaming(Request::new(texts), PathAndQuery::from_static("/test.Echo/Both"), Text).await
    }
}

/// A status that the next unary calls get, with what the server says of trying again.
#[derive(Debug, Clone)]
pub struct Fails(pub Code, pub Option<&'static str>);

/// What servers of one test share.
#[derive(Debug, Default)]
pub struct Script {
    pub failures: Mutex<VecDeque<Fails>>,
    pub calls: AtomicUsize,
    pub seen: Mutex<Vec<MetadataMap>>,
    pub open_streams: AtomicUsize,
}

impl Script {
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn fail(&self, times: usize, code: Code, pushback: Option<&'static str>) {
        self.failures.lock().unwrap().extend(std::iter::repeat_n(Fails(code, pushback), times));
    }

    pub fn seen(&self, header: &str) -> Vec<Option<String>> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|seen| seen.get(header).map(|text| text.to_str().unwrap().to_owned())).collect()
    }
}

/// The service: answers with its own name, or does what the text says.
#[derive(Debug, Clone)]
pub struct Echo {
    pub name: Arc<str>,
    pub script: Arc<Script>,
}

/// Counts a stream for as long as the server serves it.
struct OpenStream(Arc<Script>);

impl OpenStream {
    fn new(script: &Arc<Script>) -> Self {
        script.open_streams.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(script))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Echo {
    async fn answer(self, request: Request<String>) -> Result<Response<String>, Status> {
        self.script.calls.fetch_add(1, Ordering::SeqCst);
        self.script.seen.lock().unwrap().push(request.metadata().clone());
        if let Some(Fails(code, pushback)) = self.script.failures.lock().unwrap().pop_front() {
            let mut status = Status::new(code, "as the script says");
            if let Some(pushback) = pushback {
                status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
            }
            return Err(status);
        }
        let text = request.into_inner();
        if let Some(millis) = text.strip_prefix("sleep ") {
            tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
        }
        Ok(Response::new(self.name.to_string()))
    }

    /// `3` gives three messages, `open` one and then nothing for ever, `broken` one and then a status.
    fn texts(self, text: String) -> Texts {
        let name = self.name.to_string();
        let open = OpenStream::new(&self.script);
        let first = tokio_stream::once(Ok(name.clone()));
        let kept = move |item| {
            let _ = &open;
            item
        };
        match text.as_str() {
            "open" => Box::pin(first.chain(tokio_stream::pending()).map(kept)),
            "broken" => Box::pin(first.chain(tokio_stream::once(Err(Status::data_loss("half-way")))).map(kept)),
            count => Box::pin(tokio_stream::iter((0..count.parse().unwrap()).map(move |_| Ok(name.clone()))).map(kept)),
        }
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

/// A handler of one method: what the generator makes a type of each.
#[derive(Clone)]
struct Handler<F>(F);

impl<F, Req, Fut, Rsp> Service<Request<Req>> for Handler<F>
where
    F: FnMut(Request<Req>) -> Fut,
    Fut: Future<Output = Result<Response<Rsp>, Status>>,
{
    type Response = Response<Rsp>;
    type Error = Status;
    type Future = Fut;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Req>) -> Fut {
        (self.0)(request)
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(match request.uri().path() {
                "/test.Echo/Unary" | "/test.Echo/Other" => {
                    grpc.unary(Handler(move |request| echo.clone().answer(request)), request).await
                }
                "/test.Echo/Down" => {
                    let handler = move |request: Request<String>| {
                        let texts = echo.clone().texts(request.into_inner());
                        async move { Ok(Response::new(texts)) }
                    };
                    grpc.server_streaming(Handler(handler), request).await
                }
                "/test.Echo/Up" => {
                    let handler = move |request: Request<Streaming<String>>| {
                        let name = echo.name.to_string();
                        async move {
                            let texts: Vec<_> = request.into_inner().collect::<Result<_, _>>().await?;
                            Ok(Response::new(format!("{name}: {}", texts.join(" "))))
                        }
                    };
                    grpc.client_streaming(Handler(handler), request).await
                }
                "/test.Echo/Both" => {
                    let handler = move |request: Request<Streaming<String>>| {
                        let (name, open) = (echo.name.to_string(), OpenStream::new(&echo.script));
                        let answers = request.into_inner().map(move |text| {
                            let _ = &open;
                            text.map(|text| format!("{name}: {text}"))
                        });
                        async move { Ok(Response::new(Box::pin(answers) as Texts)) }
                    };
                    grpc.streaming(Handler(handler), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}
