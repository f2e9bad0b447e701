//! The floor: what Consul and consulrs take when nothing is kept.
//!
//! consulrs has no health endpoint; this is what one of its kind does: rustify's HTTP client, the whole answer in a
//! buffer, and then in owned text and maps.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use consulrs::api::check::common::{AgentServiceCheckBuilder, HealthCheck};
use consulrs::api::service::common::AgentWeights;
use consulrs::api::service::requests::RegisterServiceRequest;
use consulrs::client::ConsulClient;
use consulrs::service;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use super::{catalog, client};
use crate::data::address;
use crate::registry::mark::Mark;
use crate::registry::observer::Observe;
use crate::registry::target::Target;
use crate::registry::{Leave, Local, Side, TTL};

pub(super) const SIDE: Side = Side {
    service: "raw",
    names: [
        "floor: blocking query and owned JSON, as consulrs",
        "floor: one query and owned JSON, as consulrs",
        "floor: consulrs's service::register, 8 at once",
    ],
    watch,
    list,
    register,
};

/// As many connections as ours writes with.
const AT_ONCE: usize = 8;

/// An entry of an answer, as consulrs types such: what it knows of a node and of a service, and all checks.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "what is not looked at is read nevertheless")]
struct Entry {
    node: Node,
    service: Service,
    checks: Vec<HealthCheck>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "what is not looked at is read nevertheless")]
struct Node {
    address: String,
    create_index: u64,
    datacenter: String,
    #[serde(rename = "ID")]
    id: String,
    meta: Option<HashMap<String, String>>,
    modify_index: u64,
    node: String,
    tagged_addresses: Option<HashMap<String, String>>,
}

/// consulrs has `TaggedAddresses` as text, which Consul's answer is not.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "what is not looked at is read nevertheless")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    tags: Option<Vec<String>>,
    address: String,
    meta: Option<HashMap<String, String>>,
    port: u64,
    weights: AgentWeights,
    enable_tag_override: bool,
    create_index: u64,
    modify_index: u64,
}

struct Raw {
    client: ConsulClient,
    service: &'static str,
    index: u64,
}

/// Lists, then asks for what is newer.
fn watch(target: Target, service: &'static str) -> Local<'static, Box<dyn Observe>> {
    Box::pin(async move {
        let client = client(target.address)?;
        let (_, index) = query(&client, service, 0).await?;
        let raw: Box<dyn Observe> = Box::new(Raw { client, service, index });
        Ok(raw)
    })
}

impl Observe for Raw {
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()> {
        Box::pin(async move {
            let mut missing: HashMap<String, u64> =
                marks.iter().map(|mark| (catalog::id(self.service, mark), mark.weight.into())).collect();
            while !missing.is_empty() {
                let (entries, index) = query(&self.client, self.service, self.index).await?;
                self.index = index;
                for Entry { service, .. } in entries {
                    if missing.get(&service.id) == service.weights.passing.as_ref() {
                        missing.remove(&service.id);
                    }
                }
            }
            Ok(())
        })
    }
}

/// Connects and reads all instances of a service; gives how many pass.
fn list(target: Target, service: &'static str) -> Local<'static, usize> {
    Box::pin(async move {
        let (entries, _) = query(&client(target.address)?, service, 0).await?;
        let passes = |check: &HealthCheck| check.status.as_deref() == Some("passing");
        Ok(entries.iter().filter(|entry| entry.checks.iter().all(passes)).count())
    })
}

async fn query(client: &ConsulClient, service: &str, index: u64) -> anyhow::Result<(Vec<Entry>, u64)> {
    let address = &client.settings.address;
    let url = format!("{address}/v1/health/service/{service}?index={index}&wait=60s");
    let answer = client.http.http.get(url).send().await?;
    ensure!(answer.status().is_success(), "{service}: {}", answer.status());
    let index = answer.headers().get("X-Consul-Index").context("an answer without index")?.to_str()?.parse()?;
    let body = answer.bytes().await?.to_vec();
    Ok((serde_json::from_slice(&body)?, index))
}

/// Connects and registers the first `n` instances of a service, each with a TTL check.
fn register(target: Target, service: &'static str, n: usize) -> Local<'static, Leave> {
    Box::pin(async move {
        let client = Arc::new(client(target.address)?);
        let registrations = Mark::first(n).into_iter().map(|mark| {
            let client = Arc::clone(&client);
            async move {
                let (id, address) = (catalog::id(service, &mark), address(mark.index));
                let mut check = AgentServiceCheckBuilder::default();
                let check = check.ttl(format!("{}s", TTL.as_secs())).status("passing").build()?;
                let mut request = RegisterServiceRequest::builder();
                request.id(id.clone()).address(address.ip().to_string()).port(u64::from(address.port())).check(check);
                service::register(&*client, service, Some(&mut request)).await?;
                anyhow::Ok(id)
            }
        });
        let ids: Vec<String> = stream::iter(registrations).buffer_unordered(AT_ONCE).try_collect().await?;
        let leave: Leave = Box::new(move || {
            Box::pin(async move {
                let client = &*client;
                let leaving = ids.iter().map(|id| service::deregister(client, id, None));
                stream::iter(leaving).buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
                Ok(())
            })
        });
        Ok(leave)
    })
}
