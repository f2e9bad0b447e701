//! The centre under load.

use std::ops::Range;

use sd_testkit::registry::{CentreOptions, CentreServer};

use super::api::Api;
use super::floor;
use crate::registry::Local;
use crate::registry::crowd::Crowd;
use crate::registry::load::{Load, Watchers};
use crate::registry::server::Server;

/// What our client renews in one request at most.
const BATCH: usize = 1_000;

/// A centre, and a connection to it.
pub struct Ours {
    server: CentreServer,
    api: Api,
    name: &'static str,
    held: Option<(String, usize)>,
}

impl Ours {
    /// Starts one with nothing in it.
    pub async fn start(on_disk: bool) -> anyhow::Result<Self> {
        let (options, name) = match on_disk {
            true => (CentreOptions::new().with_data(), "on disk"),
            false => (CentreOptions::new(), "in memory"),
        };
        let server = CentreServer::start(options).await;
        let api = Api::connect(server.address()).await?;
        Ok(Self { server, api, name, held: None })
    }
}

impl Load for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn server(&self) -> &dyn Server {
        &self.server
    }

    fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    fn register<'a>(&'a self, service: &'a str, instances: Range<usize>, weight: u32) -> Local<'a, ()> {
        Box::pin(floor::all(&self.api, service, instances, weight))
    }

    fn hold<'a>(&'a mut self, service: &'a str, n: usize) -> Local<'a, ()> {
        Box::pin(async move {
            self.register(service, 0..n, 1).await?;
            self.held = Some((service.to_owned(), n));
            Ok(())
        })
    }

    fn renew(&mut self) -> Local<'_, ()> {
        Box::pin(async move {
            let Some((service, n)) = &self.held else { return Ok(()) };
            for start in (0..*n).step_by(BATCH) {
                self.api.renew(service, start..(start + BATCH).min(*n)).await?;
            }
            Ok(())
        })
    }

    fn watch<'a>(&'a self, service: &'a str, n: usize) -> Local<'a, Box<dyn Watchers>> {
        Box::pin(async move {
            let mut crowd = Crowd::default();
            for _ in 0..n {
                let api = Api::connect(self.server.address()).await?;
                let mut events = api.watch(service).await?;
                events.snapshot().await?;
                crowd.join(async move || {
                    // The connection lives as long as its watch.
                    let _api = &api;
                    while events.next().await?.0 != "put" {}
                    Ok(())
                });
            }
            let crowd: Box<dyn Watchers> = Box::new(crowd);
            Ok(crowd)
        })
    }
}
