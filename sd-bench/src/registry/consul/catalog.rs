//! Whoever changes instances in Consul: by the catalog, on a node that no agent looks after, since an agent takes ten
//! thousand registrations one by one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::ensure;
use consulrs::client::ConsulClient;
use serde_json::{Value, json};

use super::client;
use crate::data::address;
use crate::registry::Local;
use crate::registry::mark::Mark;
use crate::registry::writer::Write;

const NODE: &str = "bench";
const HOST: &str = "127.0.0.1";
const OWNER: &str = "0123456789abcdef";

/// Of the 64 operations that Consul takes in one transaction each instance needs two.
const TRANSACTION: usize = 32;

/// Consul takes 200 connections from one address, and each request in flight is one.
const AT_ONCE: usize = 64;

struct Catalog(Arc<ConsulClient>);

/// Connects.
pub(super) fn connect(server: SocketAddr) -> Local<'static, Box<dyn Write>> {
    Box::pin(async move {
        let client = Arc::new(client(server)?);
        put(&client, "catalog/register", &node()).await?;
        let catalog: Box<dyn Write> = Box::new(Catalog(client));
        Ok(catalog)
    })
}

impl Write for Catalog {
    fn fill(&self, service: &'static str, n: usize) -> Local<'_, ()> {
        Box::pin(async move {
            for marks in Mark::first(n).chunks(TRANSACTION) {
                let operations = marks.iter().flat_map(|mark| {
                    [
                        json!({ "Service": { "Verb": "set", "Node": NODE, "Service": entry(service, mark) } }),
                        json!({ "Check": { "Verb": "set", "Check": check(service, mark) } }),
                    ]
                });
                put(&self.0, "txn", &operations.collect()).await?;
            }
            Ok(())
        })
    }

    fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Local<'static, ()>> {
        let client = Arc::clone(&self.0);
        let change = json!({
            "Node": NODE, "Address": HOST, "SkipNodeUpdate": true, "Service": entry(service, mark),
        });
        Ok(Box::pin(async move { put(&client, "catalog/register", &change).await }))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }
}

/// The id that an instance has in Consul, where ids are unique on a node.
pub(super) fn id(service: &str, mark: &Mark) -> String {
    format!("{service}:{}", mark.id)
}

/// What an agent tells the catalog of its node, which then stands in every entry of an answer. The check has another
/// name, since Consul takes nodes away whose `serfHealth` nobody vouches for.
fn node() -> Value {
    json!({
        "Node": NODE,
        "Address": HOST,
        "TaggedAddresses": { "lan": HOST, "lan_ipv4": HOST, "wan": HOST, "wan_ipv4": HOST },
        "NodeMeta": { "consul-network-segment": "" },
        "Check": {
            "CheckID": "nodeHealth",
            "Name": "Serf Health Status",
            "Status": "passing",
            "Output": "Agent alive and reachable",
        },
    })
}

/// What an agent tells of a service that our library has registered.
fn entry(service: &str, mark: &Mark) -> Value {
    let address = address(mark.index);
    let tagged = json!({ "Address": address.ip(), "Port": address.port() });
    json!({
        "ID": id(service, mark),
        "Service": service,
        "Address": address.ip(),
        "Port": address.port(),
        "Weights": { "Passing": mark.weight, "Warning": 1 },
        "TaggedAddresses": { "lan_ipv4": tagged, "wan_ipv4": tagged },
        "Meta": { "sd-owner": OWNER },
    })
}

fn check(service: &str, mark: &Mark) -> Value {
    let id = id(service, mark);
    json!({
        "Node": NODE,
        "CheckID": format!("service:{id}:{OWNER}"),
        "Name": format!("Service '{service}' check"),
        "Status": "passing",
        "ServiceID": id,
        "ServiceName": service,
        "Type": "ttl",
    })
}

async fn put(client: &ConsulClient, path: &str, body: &Value) -> anyhow::Result<()> {
    let url = format!("{}/v1/{path}", client.settings.address);
    let answer = client.http.http.put(url).body(body.to_string()).send().await?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}
