//! etcd under load, by etcd-client.

use std::ops::Range;

use anyhow::Context as _;
use etcd_client::{Client, LeaseKeepAliveStream, LeaseKeeper, PutOptions, WatchOptions};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sd_testkit::etcd::EtcdServer;

use super::floor::prefix;
use crate::registry::crowd::Crowd;
use crate::registry::load::{Load, Watchers};
use crate::registry::mark::Mark;
use crate::registry::server::Server;
use crate::registry::{Local, TTL};

const IN_FLIGHT: usize = 64;
/// Nothing lapses while a measurement runs.
const A_DAY_SECONDS: i64 = 86_400;

/// etcd, and a connection to it.
pub struct Peer {
    server: EtcdServer,
    client: Client,
    lease: i64,
    /// A stream each: etcd-client's renew one lease alone.
    held: Vec<(LeaseKeeper, LeaseKeepAliveStream)>,
}

impl Peer {
    /// Starts one with nothing in it.
    pub async fn start() -> anyhow::Result<Self> {
        let server = EtcdServer::start("a measurement").await.context("no server")?;
        let mut client = Client::connect([server.address().to_string()], None).await?;
        let lease = client.lease_grant(A_DAY_SECONDS, None).await?.id();
        Ok(Self { server, client, lease, held: Vec::new() })
    }
}

impl Load for Peer {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn server(&self) -> &dyn Server {
        &self.server
    }

    fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    fn register<'a>(&'a self, service: &'a str, instances: Range<usize>, weight: u32) -> Local<'a, ()> {
        Box::pin(async move {
            let put = |index| {
                let (mut client, mark) = (self.client.clone(), Mark::new(index, weight));
                let options = PutOptions::new().with_lease(self.lease);
                async move {
                    client.put(mark.path(service), mark.value()?, Some(options)).await?;
                    Ok(())
                }
            };
            stream::iter(instances.map(anyhow::Ok)).try_for_each_concurrent(IN_FLIGHT, put).await
        })
    }

    fn hold<'a>(&'a mut self, service: &'a str, n: usize) -> Local<'a, ()> {
        Box::pin(async move {
            let held = (0..n).map(|index| {
                let (mut client, mark) = (self.client.clone(), Mark::new(index, 1));
                async move {
                    let lease = client.lease_grant(TTL.as_secs() as i64 * 360, None).await?.id();
                    let options = PutOptions::new().with_lease(lease);
                    client.put(mark.path(service), mark.value()?, Some(options)).await?;
                    anyhow::Ok(client.lease_keep_alive(lease).await?)
                }
            });
            self.held = stream::iter(held).buffer_unordered(IN_FLIGHT).try_collect().await?;
            Ok(())
        })
    }

    fn renew(&mut self) -> Local<'_, ()> {
        Box::pin(async move {
            for (keeper, _) in &mut self.held {
                keeper.keep_alive().await?;
            }
            for (_, answers) in &mut self.held {
                answers.message().await?.context("the stream has ended")?;
            }
            Ok(())
        })
    }

    fn watch<'a>(&'a self, service: &'a str, n: usize) -> Local<'a, Box<dyn Watchers>> {
        Box::pin(async move {
            let mut crowd = Crowd::default();
            for _ in 0..n {
                let mut client = Client::connect([self.server.address().to_string()], None).await?;
                let options = WatchOptions::new().with_prefix();
                let mut events = client.watch(prefix(service), Some(options)).await?;
                crowd.join(async move || {
                    // The connection lives as long as its watch.
                    let _client = &client;
                    while events.message().await?.context("the watch has ended")?.events().is_empty() {}
                    Ok(())
                });
            }
            let crowd: Box<dyn Watchers> = Box::new(crowd);
            Ok(crowd)
        })
    }
}
