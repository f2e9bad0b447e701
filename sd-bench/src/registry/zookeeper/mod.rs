//! ZooKeeper, and zookeeper-client as its floor.

mod floor;
mod writer;

use std::net::SocketAddr;

use anyhow::Context as _;
use sd_testkit::zookeeper::{self, ZooKeeperServer};
use zookeeper_client::Client;

use super::frames::{Frames, Head};
use super::requests::RequestCounter;
use super::server::{Server, serve_as};
use super::writer::Write;
use super::{Limits, Local, Registry, Side, TTL};

serve_as!(ZooKeeperServer);

/// ZooKeeper: one server.
pub struct ZooKeeper;

impl Registry for ZooKeeper {
    fn scheme(&self) -> &'static str {
        "zookeeper"
    }

    fn variable(&self) -> Option<&'static str> {
        Some(zookeeper::VARIABLE)
    }

    fn start(&self) -> Local<'static, Box<dyn Server>> {
        Box::pin(async {
            let server: Box<dyn Server> = Box::new(ZooKeeperServer::start("a measurement").await.context("no server")?);
            Ok(server)
        })
    }

    fn writer(&self, server: SocketAddr) -> Local<'static, Box<dyn Write>> {
        writer::connect(server)
    }

    fn floor(&self) -> Side {
        floor::SIDE
    }

    fn requests(&self) -> Box<dyn RequestCounter> {
        Box::new(Frames::new(0, jute_frame))
    }

    fn limits(&self) -> Limits {
        Limits { event: Some(1.3), event_among_many: Some(1.5), bytes: Some(1.5) }
    }
}

/// Every request begins with its length; a ping is one too.
fn jute_frame(length: [u8; 4]) -> Head {
    Head { body: u32::from_be_bytes(length) as usize, is_request: true }
}

/// With the session timeout that ours has.
async fn client(server: SocketAddr) -> anyhow::Result<Client> {
    Ok(Client::connector().with_session_timeout(TTL).connect(&server.to_string()).await?)
}
