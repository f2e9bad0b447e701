//! etcd, and etcd-client as its floor.

mod floor;
mod load;
mod writer;

use std::net::SocketAddr;

use anyhow::Context as _;
use sd_testkit::etcd::{self, EtcdServer};

pub use load::Peer;

use super::frames::{Frames, Head, PREFACE};
use super::requests::RequestCounter;
use super::server::{Server, serve_as};
use super::writer::Write;
use super::{Limits, Local, Registry, Side};

serve_as!(EtcdServer);

/// etcd.
pub struct Etcd;

impl Registry for Etcd {
    fn scheme(&self) -> &'static str {
        "etcd"
    }

    fn variable(&self) -> Option<&'static str> {
        Some(etcd::VARIABLE)
    }

    fn start(&self) -> Local<'static, Box<dyn Server>> {
        Box::pin(async {
            let server: Box<dyn Server> = Box::new(EtcdServer::start("a measurement").await.context("no server")?);
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
        Box::new(Frames::new(PREFACE, http2_frame))
    }

    fn limits(&self) -> Limits {
        Limits { event: Some(1.3), event_among_many: Some(1.5), bytes: Some(1.5) }
    }
}

/// A gRPC message is a `DATA` frame; an empty one ends a stream.
fn http2_frame([a, b, c, kind, ..]: [u8; 9]) -> Head {
    let body = u32::from_be_bytes([0, a, b, c]) as usize;
    Head { body, is_request: kind == 0 && body > 0 }
}
