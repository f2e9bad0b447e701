//! Servers that answer with what they were sent, on a runtime of their own.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::Payload;

/// Servers that listen on ports of their own until this is dropped.
#[derive(Debug)]
pub struct Servers {
    /// Where they listen.
    pub addresses: Vec<SocketAddr>,
    runtime: Option<Runtime>,
}

impl Servers {
    /// So many of them, on two threads.
    pub fn start(count: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut addresses = Vec::new();
        for _ in 0..count {
            let guard = runtime.enter();
            let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.with_nodelay(Some(true));
            addresses.push(incoming.local_addr()?);
            runtime.spawn(Server::builder().add_service(Echo).serve_with_incoming(incoming));
            drop(guard);
        }
        Ok(Self { addresses, runtime: Some(runtime) })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec: ProstCodec<Payload, Payload> = ProstCodec::default();
            Ok(Grpc::new(codec).unary(Answer, request).await)
        })
    }
}

struct Answer;

impl Service<Request<Payload>> for Answer {
    type Response = Response<Payload>;
    type Error = Status;
    type Future = Ready<Result<Response<Payload>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}
