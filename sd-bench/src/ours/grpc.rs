//! Our channel for generated clients.

use std::net::SocketAddr;

use sd_tonic::Targets;

use crate::grpc::load::Loaded;

/// To all of them, in turn. Resolves when all are connected.
pub async fn channel(addresses: &[SocketAddr]) -> anyhow::Result<Loaded> {
    let list = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let channel = Targets::new().channel(&format!("static:///{list}"))?.connect()?;
    let cell = channel.endpoints().clone();
    loop {
        let seen = cell.version();
        if cell.load().members().len() == addresses.len() {
            return Ok(Loaded::new(channel));
        }
        cell.changed(seen).await;
    }
}
