//! Unary calls over real sockets: servers, a client as tonic generates it, and load.

pub mod load;
pub mod server;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// Bytes there and back: what a `.proto` with one field of `bytes` becomes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Payload {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub bytes: Bytes,
}

/// How many bytes there are.
pub const SIZE: usize = 100;

const PATH: &str = "/bench.Echo/Unary";

/// A client as tonic generates it.
#[derive(Debug, Clone)]
pub struct Client<T>(tonic::client::Grpc<T>);

impl<T> Client<T>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    /// Over `channel`.
    pub fn new(channel: T) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    /// One call.
    pub async fn unary(&mut self, payload: Payload) -> Result<Payload, Status> {
        self.0.ready().await.map_err(|error| Status::unknown(format!("not ready: {}", error.into())))?;
        let codec: ProstCodec<Payload, Payload> = ProstCodec::default();
        let answer = self.0.unary(Request::new(payload), PathAndQuery::from_static(PATH), codec).await?;
        Ok(answer.into_inner())
    }
}
