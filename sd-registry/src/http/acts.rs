//! The acts: register, renew, update, deregister, drain.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use sd_core::{ServiceName, defaults};
use serde::Serialize;

use crate::engine::clock::millis;
use crate::engine::ledger::{Put, Renewal, Renewed, Update};
use crate::http::access::Caller;
use crate::http::app::App;
use crate::http::body;
use crate::http::instance_body::{InstanceBody, checked_id, checked_owner, checked_service};
use crate::http::object::Object;
use crate::http::problem::Problem;
use crate::http::whole::Whole;
use crate::wire::{
    ChangeAnswer, DeregisterAnswer, DeregisterBody, DrainBody, RegisterAnswer, RegisterBody, RenewAnswer, RenewBody,
    RenewEntry, RenewResult, UpdateBody,
};

const MIN_TTL: Duration = Duration::from_secs(1);
/// One request renews at most so many.
pub(crate) const MAX_RENEWALS: usize = 10_000;

pub(crate) async fn register(
    State(app): State<App>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let body: RegisterBody<Object<InstanceBody>, Whole<u64>> = body::json(request, app.limits.body_bytes).await?;
    let service = writable(&caller, "service", &body.service)?;
    let checked = body.instance.0.checked()?;
    let ttl = checked_ttl(body.ttl_ms.map(|ttl| ttl.0))?;
    let owner = checked.owner_or_new();
    let instance = checked.encode(&owner)?;
    let put = Put {
        service: service.clone(),
        id: checked.id.clone(),
        owner: owner.clone(),
        instance,
        ttl,
        prior: body.prior,
    };
    let done = app.ledger.register(put).await?;
    let answer = RegisterAnswer {
        service: service.to_string(),
        id: checked.id.to_string(),
        owner: owner.as_str().to_owned(),
        revision: done.revision,
        ttl_ms: millis(ttl),
        took_over: done.took_over,
    };
    let status = if done.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, json(&answer)).into_response())
}

pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let body: UpdateBody<Object<InstanceBody>> = body::json(request, app.limits.body_bytes).await?;
    let service = writable(&caller, "service", &body.service)?;
    let checked = body.instance.0.checked()?;
    let Some(owner) = checked.owner.clone() else {
        return Err(Problem::invalid("instance.owner", "owner is missing: say the one that registered the instance"));
    };
    let instance = checked.encode(&owner)?;
    let revision = app.ledger.update(Update { service, id: checked.id, owner, instance }).await?;
    Ok(json(&ChangeAnswer { revision }))
}

pub(crate) async fn deregister(
    State(app): State<App>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let body: DeregisterBody = body::json(request, app.limits.body_bytes).await?;
    let service = writable(&caller, "service", &body.service)?;
    let id = checked_id("id", &body.id)?;
    let owner = body.owner.map(|owner| checked_owner("owner", &owner)).transpose()?;
    let done = app.ledger.deregister(service, id, owner).await?;
    Ok(json(&DeregisterAnswer { removed: done.removed, revision: done.revision }))
}

pub(crate) async fn drain(State(app): State<App>, caller: Caller, request: Request<Body>) -> Result<Response, Problem> {
    let body: DrainBody = body::json(request, app.limits.body_bytes).await?;
    let service = writable(&caller, "service", &body.service)?;
    let id = checked_id("id", &body.id)?;
    let revision = app.ledger.drain(service, id).await?;
    Ok(json(&ChangeAnswer { revision }))
}

pub(crate) async fn renew(State(app): State<App>, caller: Caller, request: Request<Body>) -> Result<Response, Problem> {
    let body: RenewBody<Object<RenewEntry>> = body::json(request, app.limits.body_bytes).await?;
    let count = body.entries.len();
    if !(1..=MAX_RENEWALS).contains(&count) {
        return Err(Problem::invalid("entries", format!("{count} entries: allowed are 1 to {MAX_RENEWALS}")));
    }
    for (index, entry) in body.entries.iter().enumerate() {
        let Object(RenewEntry { service, id, owner }) = entry;
        writable(&caller, &format!("entries[{index}].service"), service)?;
        checked_id(&format!("entries[{index}].id"), id)?;
        checked_owner(&format!("entries[{index}].owner"), owner)?;
    }
    let asked = body.entries.iter().map(|Object(RenewEntry { service, id, owner })| Renewal { service, id, owner });
    let results = app.ledger.renew(&asked.collect::<Vec<_>>());
    let results = results.into_iter().map(|result| match result {
        Renewed::Ok => RenewResult::Ok,
        Renewed::Gone => RenewResult::Gone,
        Renewed::Superseded => RenewResult::Superseded,
    });
    Ok(json(&RenewAnswer { results: results.collect() }))
}

/// The service, if this caller may write it.
fn writable(caller: &Caller, field: &str, name: &str) -> Result<ServiceName, Problem> {
    let service = checked_service(field, name)?;
    caller.may_write(&service)?;
    Ok(service)
}

fn checked_ttl(ttl_ms: Option<u64>) -> Result<Duration, Problem> {
    let ttl = ttl_ms.map_or(defaults::TTL, Duration::from_millis);
    if (MIN_TTL..=defaults::MAX_TTL).contains(&ttl) {
        return Ok(ttl);
    }
    let (min, max) = (millis(MIN_TTL), millis(defaults::MAX_TTL));
    Err(Problem::invalid("ttl_ms", format!("ttl_ms {}: allowed are {min} to {max}", millis(ttl))))
}

/// An answer as JSON.
pub(crate) fn json(answer: &impl Serialize) -> Response {
    match serde_json::to_string(answer) {
        Ok(text) => json_text(text),
        // Nothing that is answered has a key that is no text or a map that fails.
        Err(error) => Problem::unavailable(error.to_string()).into_response(),
    }
}

/// JSON that is text already.
pub(crate) fn json_text(text: String) -> Response {
    ([(http::header::CONTENT_TYPE, "application/json")], text).into_response()
}
