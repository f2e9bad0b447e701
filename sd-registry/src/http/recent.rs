//! What happened lately, for one who has just come to look.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use sd_core::Health;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::change::{Change, Event, What};
use crate::engine::watcher::Scope;
use crate::http::access::Caller;
use crate::http::acts::json;
use crate::http::app::App;
use crate::http::problem::Problem;
use crate::http::reads::queried;
use crate::wire::present;

/// No more than so many are told.
const EVENTS: usize = 100;

/// After which revision to begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecentQuery {
    #[serde(default, deserialize_with = "present")]
    after: Option<u64>,
}

#[derive(Serialize)]
struct Happened<'a> {
    revision: u64,
    at_ms: u64,
    what: &'static str,
    service: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<&'static str>,
}

pub(crate) async fn recent(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<RecentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let RecentQuery { after } = queried(query)?;
    let _followed = app.ledger.follow(&Scope::Instances).await?;
    let view = app.ledger.view();
    let revision = view.revision();
    let wanted = |event: &Event| event.what != What::Found && caller.sees(event.change.service());
    let newest = view.all.newest(after.unwrap_or(0), EVENTS, wanted);
    let events: Vec<_> = newest.iter().filter_map(|event| happened(event)).collect();
    Ok(json(&json!({ "epoch": view.epoch.to_string(), "revision": revision, "events": events })))
}

/// As the codec writes it.
fn word_for(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Draining => "draining",
        // Down, and whatever else keeps calls away.
        _ => "down",
    }
}

fn happened(event: &Event) -> Option<Happened<'_>> {
    let (entry, is_there) = match &event.change {
        Change::Put(entry) => (entry, true),
        Change::Remove { entry, .. } => (entry, false),
        Change::Appeared { .. } | Change::Vanished { .. } => return None,
    };
    let decoded = if is_there { entry.decode().ok() } else { None };
    Some(Happened {
        revision: event.change.revision(),
        at_ms: event.at,
        what: event.what.as_str(),
        service: entry.service.as_str(),
        id: &entry.id,
        health: decoded.map(|decoded| word_for(decoded.instance.health())),
    })
}
