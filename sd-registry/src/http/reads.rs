//! The reads: which services, which instances, how the centre is.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use sd_core::ServiceName;
use serde::Deserialize;
use serde_json::json;

use crate::engine::entry::Entry;
use crate::engine::ledger::{Ledger, Stale};
use crate::engine::view::Entries;
use crate::engine::watcher::Scope;
use crate::http::access::Caller;
use crate::http::acts::{json, json_text};
use crate::http::app::App;
use crate::http::instance_body::{checked_id, checked_service};
use crate::http::problem::Problem;
use crate::wire::{ServiceAnswer, ServicesAnswer, StaleAnswer, present};

pub(crate) async fn services(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<NoQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let NoQuery {} = queried(query)?;
    let following = app.ledger.follow(&Scope::Instances).await?;
    let view = app.ledger.view();
    let (revision, all) = view.all_entries();
    let seen = all.into_iter().filter(|(name, _)| caller.sees(name));
    let services = seen.map(|(name, entries)| ServiceAnswer { name: name.to_string(), instances: entries.len() });
    let (epoch, stale) = (view.epoch.to_string(), following.stale().map(stale_answer));
    Ok(json(&ServicesAnswer { epoch, revision, services: services.collect(), stale }))
}

pub(crate) async fn service(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ServiceQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let service = readable(&caller, path)?;
    let ServiceQuery { id } = queried(query)?;
    let following = app.ledger.follow(&Scope::Service(service.clone())).await?;
    let view = app.ledger.view();
    let (revision, mut entries) = view.entries(&service);
    if let Some(id) = id {
        let id = checked_id("id", &id)?;
        let found = entries.get(&id).cloned();
        let found = found.ok_or_else(|| Problem::not_found(format!("{service} has no instance {id:?}")))?;
        entries = Entries::unit(id, found);
    }
    let mut out = String::with_capacity(256 + entries.len() * 256);
    out.push_str(&format!(r#"{{"epoch":"{}","revision":{revision},"service":"{service}","instances":["#, view.epoch));
    for (index, entry) in entries.values().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_listed(entry, &*app.ledger, &mut out);
    }
    out.push(']');
    if let Some(stale) = following.stale() {
        out.push_str(&format!(r#","stale":{}"#, json!(stale_answer(stale))));
    }
    out.push('}');
    Ok(json_text(out))
}

/// An entry with the time it has left, which no event can carry.
fn write_listed(entry: &Entry, ledger: &dyn Ledger, out: &mut String) {
    entry.write_open(out);
    if let Some(left) = ledger.expires_in(entry) {
        out.push_str(&format!(r#","expires_in_ms":{left}"#));
    }
    out.push('}');
}

pub(crate) async fn status(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<NoQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let NoQuery {} = queried(query)?;
    let (view, condition) = (app.ledger.view(), app.ledger.condition());
    let counts = view.counts();
    let preserving = condition.preserving;
    Ok(json(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": view.epoch.to_string(),
        "revision": counts.revision,
        "services": counts.services,
        "instances": counts.instances,
        "watchers": app.metrics.watchers.value(),
        "now_ms": crate::engine::clock::unix_now(),
        "uptime_ms": crate::engine::clock::millis(app.started.elapsed()),
        "store": { "kind": condition.store, "trouble": condition.trouble },
        "self_preservation": {
            "active": preserving.is_some(),
            "for_ms": preserving.map(|(for_ms, _)| for_ms),
            "kept": preserving.map_or(0, |(_, kept)| kept),
        },
        "caller": caller.told(),
    })))
}

/// No query at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}

/// The query of one service's list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceQuery {
    #[serde(default, deserialize_with = "present")]
    id: Option<String>,
}

/// The query, strictly.
pub(crate) fn queried<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(value)| value).map_err(|rejection| {
        let text = std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), ToString::to_string);
        match text.split_once("unknown field `").and_then(|(_, rest)| rest.split('`').next()) {
            Some(field) => Problem::unknown_field(field, text.clone()),
            None => Problem::invalid("", text),
        }
    })
}

/// The service in the path, if this caller may read it.
pub(crate) fn readable(caller: &Caller, path: Result<Path<String>, PathRejection>) -> Result<ServiceName, Problem> {
    let Path(name) = path.map_err(|rejection| Problem::invalid("service", rejection.to_string()))?;
    let service = checked_service("service", &name)?;
    caller.may_read(&service)?;
    Ok(service)
}

pub(crate) fn stale_answer(stale: Stale) -> StaleAnswer {
    StaleAnswer { for_ms: stale.for_ms, error: stale.error }
}
