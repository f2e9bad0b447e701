//! tonic's own balanced channel.

use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};

use crate::grpc::load::Loaded;

/// What the output calls it.
pub const NAME: &str = "tonic: balance_channel";

/// To all of them.
pub fn channel(addresses: &[SocketAddr]) -> anyhow::Result<Loaded> {
    let endpoints = addresses.iter().map(|address| Endpoint::from_shared(format!("http://{address}")));
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
    Ok(Loaded::new(Channel::balance_list(endpoints.into_iter())))
}
