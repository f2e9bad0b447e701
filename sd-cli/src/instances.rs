//! Instances as they are shown: rows of a table, and JSON.

use sd_core::{Freshness, Health, Instance, ServiceName, Snapshot};
use serde_json::{Value, json};

use crate::table::{Cell, Table, Tone};

/// How many are up, draining and down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) up: usize,
    pub(crate) draining: usize,
    pub(crate) down: usize,
}

impl Counts {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for instance in snapshot.iter() {
            match instance.health() {
                Health::Up => counts.up += 1,
                Health::Draining => counts.draining += 1,
                _ => counts.down += 1,
            }
        }
        counts
    }
}

/// A table for instances, without any.
pub(crate) fn table() -> Table {
    Table::new(&["ID", "ADDRESS", "HEALTH", "WEIGHT", "ZONE", "TAGS", "METADATA"])
}

/// An instance's row.
pub(crate) fn row(instance: &Instance) -> Vec<Cell> {
    let (word, tone) = health(instance.health());
    let metadata = instance.metadata().iter().map(|(key, value)| format!("{key}={value}"));
    let ports = instance.ports().iter().map(|(name, port)| format!("{name}:{port}"));
    vec![
        instance.id().into(),
        instance.address().to_string().into(),
        Cell::new(word, tone),
        instance.weight().to_string().into(),
        instance.zone().unwrap_or_default().into(),
        instance.tags().collect::<Vec<_>>().join(",").into(),
        metadata.chain(ports).collect::<Vec<_>>().join(" ").into(),
    ]
}

/// An instance as JSON; every field is always there.
pub(crate) fn instance_json(instance: &Instance) -> Value {
    json!({
        "id": instance.id(),
        "address": instance.address().to_string(),
        "weight": instance.weight(),
        "health": health(instance.health()).0,
        "zone": instance.zone(),
        "tags": instance.tags().collect::<Vec<_>>(),
        "metadata": instance.metadata(),
        "ports": instance.ports(),
    })
}

/// All that is known of a service as JSON.
pub(crate) fn service_json(service: &ServiceName, snapshot: &Snapshot) -> Value {
    json!({
        "service": service.as_str(),
        "freshness": freshness_word(snapshot.freshness()),
        "instances": snapshot.iter().map(|instance| instance_json(instance)).collect::<Vec<_>>(),
    })
}

/// `pending`, `live` or `stale`.
pub(crate) fn freshness_word(freshness: &Freshness) -> &'static str {
    match freshness {
        Freshness::Pending { .. } => "pending",
        Freshness::Live => "live",
        _ => "stale",
    }
}

fn health(health: Health) -> (&'static str, Tone) {
    match health {
        Health::Up => ("up", Tone::Good),
        Health::Draining => ("draining", Tone::Warning),
        _ => ("down", Tone::Bad),
    }
}
