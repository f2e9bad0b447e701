//! Consul, and the client that consulrs has as its floor.

mod catalog;
mod floor;
mod requests;

use std::net::SocketAddr;

use anyhow::Context as _;
use consulrs::client::{ConsulClient, ConsulClientSettingsBuilder};
use sd_testkit::consul::{self, ConsulServer};

use self::requests::FirstLines;
use super::requests::RequestCounter;
use super::server::{Server, serve_as};
use super::writer::Write;
use super::{IdleWatch, Limits, Local, Registry, Side};

serve_as!(ConsulServer);

/// Consul: one agent that is a server too.
pub struct Consul;

impl Registry for Consul {
    fn scheme(&self) -> &'static str {
        "consul"
    }

    fn variable(&self) -> Option<&'static str> {
        Some(consul::VARIABLE)
    }

    fn start(&self) -> Local<'static, Box<dyn Server>> {
        Box::pin(async {
            let server: Box<dyn Server> = Box::new(ConsulServer::start("a measurement").await.context("no server")?);
            Ok(server)
        })
    }

    fn writer(&self, server: SocketAddr) -> Local<'static, Box<dyn Write>> {
        catalog::connect(server)
    }

    fn floor(&self) -> Side {
        floor::SIDE
    }

    fn requests(&self) -> Box<dyn RequestCounter> {
        Box::new(FirstLines::default())
    }

    fn limits(&self) -> Limits {
        Limits { event: Some(1.3), event_among_many: Some(1.3), bytes: Some(1.1) }
    }

    fn idle_watch(&self) -> IdleWatch {
        IdleWatch { options: "wait=6s", slower: 10.0 }
    }
}

/// consulrs's client, and thereby an HTTP client with the settings that it has there.
fn client(server: SocketAddr) -> anyhow::Result<ConsulClient> {
    let settings = ConsulClientSettingsBuilder::default().address(format!("http://{server}")).build()?;
    Ok(ConsulClient::new(settings)?)
}
