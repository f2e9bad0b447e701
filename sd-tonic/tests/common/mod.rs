//! What the tests share: servers, a client, and a channel to servers that a test can name.

#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

pub mod echo;
pub mod server;

use std::collections::BTreeMap;

use sd_core::{FixedInstancer, Instance, LeftOut};
use sd_tonic::{Channel, ChannelBuilder};

pub use echo::EchoClient;
pub use server::TestServer;

pub fn instances<'a>(servers: impl IntoIterator<Item = &'a TestServer>) -> FixedInstancer {
    FixedInstancer::new(servers.into_iter().map(|server| Instance::new(server.address)))
}

pub fn builder(instancer: &FixedInstancer) -> ChannelBuilder {
    Channel::builder(instancer.publisher().subscribe())
}

/// Waits until so many are connected.
pub async fn connected(channel: &Channel, count: usize) {
    let what = format!("{count} connected");
    sd_testkit::waiting::eventually(&what, async || channel.endpoints().load().members().len() == count).await;
}

/// Why who is not connected is not.
pub fn left_out(channel: &Channel) -> BTreeMap<String, LeftOut> {
    let present = channel.endpoints().load();
    present.left_out().map(|(instance, why)| (instance.id().to_owned(), why.clone())).collect()
}

/// How many calls are under way, at all instances together.
pub fn in_flight(channel: &Channel) -> u32 {
    channel.endpoints().load().members().iter().map(|member| member.load().in_flight()).sum()
}

/// How many of `count` calls each server has answered, by its name.
pub async fn spread(channel: &Channel, count: usize) -> BTreeMap<String, usize> {
    let mut client = EchoClient::new(channel.clone());
    let mut answered = BTreeMap::new();
    for _ in 0..count {
        let name = client.unary("who".to_owned()).await.unwrap().into_inner();
        *answered.entry(name).or_default() += 1;
    }
    answered
}
