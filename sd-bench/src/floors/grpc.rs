//! tonic's own channel to one server: the least that a generated client can have.

use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};

use crate::grpc::load::Loaded;

/// What the output calls it.
pub const NAME: &str = "tonic: one Channel";

/// To the server at `address`.
pub async fn channel(address: SocketAddr) -> anyhow::Result<Loaded> {
    let channel: Channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    Ok(Loaded::new(channel))
}
