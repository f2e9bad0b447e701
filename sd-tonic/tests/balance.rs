//! tonic's own balanced channel, fed from a registry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{EchoClient, TestServer, instances};
use sd_core::{BoxError, FixedInstancer, Health, Instance};
use sd_testkit::waiting::eventually;
use sd_tonic::{BalanceFeed, balance_channel, plain_endpoint};
use tonic::transport::Channel;

fn fed(instancer: &FixedInstancer) -> (Channel, BalanceFeed) {
    balance_channel(instancer.publisher().subscribe(), plain_endpoint).unwrap()
}

/// Calls until exactly these have answered of the last forty.
async fn answers_come_from(channel: &Channel, servers: &[&TestServer]) {
    let wanted: BTreeSet<_> = servers.iter().map(|server| server.name()).collect();
    eventually("they answer, and no others", async || {
        let mut answered = BTreeSet::new();
        for _ in 0..40 {
            if let Ok(answer) = EchoClient::new(channel.clone()).unary("who".to_owned()).await {
                answered.insert(answer.into_inner());
            }
        }
        answered == wanted
    })
    .await;
}

#[tokio::test]
async fn tonics_balancer_follows_the_registry() {
    let servers = [(); 3].map(|()| TestServer::start());
    let [one, two, three] = &servers;
    let instancer = instances([one, two]);
    let (channel, _feed) = fed(&instancer);
    answers_come_from(&channel, &[one, two]).await;
    let draining = Instance::new(two.address).with_health(Health::Draining);
    instancer.publisher().replace([Instance::new(one.address), draining, Instance::new(three.address)].map(Arc::new));
    answers_come_from(&channel, &[one, three]).await;
    // The same id at another address is another endpoint.
    let moved = Instance::new(two.address).with_id(one.name());
    instancer.publisher().replace([moved, Instance::new(three.address).with_weight(0)].map(Arc::new));
    answers_come_from(&channel, &[two]).await;
}

#[tokio::test]
async fn an_instance_of_which_no_endpoint_can_be_made_is_left_out() {
    let servers = [TestServer::start(), TestServer::start()];
    let bad = servers[1].address;
    let subscription = instances(&servers).publisher().subscribe();
    let (channel, _feed) = balance_channel(subscription, move |instance| {
        if instance.address().socket_addr() == Some(bad) {
            return Err(BoxError::from("not this one"));
        }
        plain_endpoint(instance)
    })
    .unwrap();
    answers_come_from(&channel, &[&servers[0]]).await;
}
