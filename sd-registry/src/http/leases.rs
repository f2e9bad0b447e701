//! How long entries have left: no event tells of a renewal, so whoever shows it asks.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use serde_json::json;

use crate::http::access::Caller;
use crate::http::acts::json;
use crate::http::app::App;
use crate::http::body;
use crate::http::instance_body::{checked_id, checked_service};
use crate::http::object::Object;
use crate::http::problem::Problem;
use crate::wire::{LeaseEntry, LeasesBody};

/// One request asks for at most so many.
pub(crate) const MAX_LEASES: usize = 1_000;

pub(crate) async fn leases(
    State(app): State<App>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let body: LeasesBody<Object<LeaseEntry>> = body::json(request, app.limits.body_bytes).await?;
    let count = body.entries.len();
    if !(1..=MAX_LEASES).contains(&count) {
        return Err(Problem::invalid("entries", format!("{count} entries: allowed are 1 to {MAX_LEASES}")));
    }
    for (index, Object(LeaseEntry { service, id })) in body.entries.iter().enumerate() {
        caller.may_read(&checked_service(&format!("entries[{index}].service"), service)?)?;
        checked_id(&format!("entries[{index}].id"), id)?;
    }
    let asked = body.entries.iter().map(|Object(LeaseEntry { service, id })| (service.as_str(), id.as_str()));
    let found = app.ledger.view().find(asked);
    let left: Vec<_> =
        found.iter().map(|entry| entry.as_ref().and_then(|entry| app.ledger.expires_in(entry))).collect();
    Ok(json(&json!({ "expires_in_ms": left })))
}
