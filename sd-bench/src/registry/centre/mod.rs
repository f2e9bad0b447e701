//! Our own registry centre, as a process of its own: this program, started once more.

mod api;
mod floor;
mod load;
mod writer;

use std::net::SocketAddr;

use sd_registry::{Limits, Registry as Centre};
use sd_testkit::registry::{CentreOptions, CentreServer, serve_if_asked};

pub use load::Ours;

use super::frames::{Frames, Head, PREFACE};
use super::requests::RequestCounter;
use super::server::{Server, serve_as};
use super::writer::Write;
use super::{Limits as Promises, Local, Registry, Side};

serve_as!(CentreServer);

/// The centre, with its data on disk.
pub struct OurCentre;

impl Registry for OurCentre {
    fn scheme(&self) -> &'static str {
        "sd"
    }

    fn name(&self) -> &'static str {
        "centre"
    }

    fn variable(&self) -> Option<&'static str> {
        None
    }

    fn start(&self) -> Local<'static, Box<dyn Server>> {
        Box::pin(async {
            let server: Box<dyn Server> = Box::new(CentreServer::start(CentreOptions::new().with_data()).await);
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
        Box::new(Frames::new(PREFACE, headers))
    }

    fn limits(&self) -> Promises {
        Promises { event: Some(1.5), event_among_many: Some(1.5), bytes: Some(1.5) }
    }
}

/// Every request has one `HEADERS` frame.
fn headers([a, b, c, kind, ..]: [u8; 9]) -> Head {
    Head { body: u32::from_be_bytes([0, a, b, c]) as usize, is_request: kind == 1 }
}

/// What the further process does; returns at once in this one.
pub fn serve() {
    serve_if_asked(async |options: CentreOptions| {
        // A measurement is one client that asks for more than any other would.
        let mut limits = Limits::default();
        limits.requests_per_second = u32::MAX / 2;
        limits.instances_per_service = limits.instances;
        let builder = Centre::builder().listen(options.listen).limits(limits);
        let builder = match options.data {
            Some(folder) => builder.data(folder),
            None => builder,
        };
        #[allow(clippy::expect_used, reason = "who started this process reads its log")]
        builder.spawn().await.expect("a centre as a case has described it")
    });
}
