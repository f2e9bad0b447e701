//! Who requires whom: what services have said by the push protocol.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::http::access::Caller;
use crate::http::acts::json;
use crate::http::app::App;
use crate::http::problem::Problem;
use crate::http::reads::{NoQuery, queried};

#[derive(Serialize)]
struct RequirementAnswer<'a> {
    service: &'a str,
    id: &'a str,
    requires: Vec<&'a str>,
}

pub(crate) async fn requirements(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<NoQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let NoQuery {} = queried(query)?;
    let known = app.push.requirements();
    let seen = known.iter().filter(|known| caller.sees(&known.key.service));
    let answer = seen.map(|known| {
        // A service that the token may not read is not even named.
        let requires = known.requires.iter().filter(|required| caller.sees(required));
        RequirementAnswer {
            service: known.key.service.as_str(),
            id: &known.key.id,
            requires: requires.map(sd_core::ServiceName::as_str).collect(),
        }
    });
    Ok(json(&json!({ "requirements": answer.collect::<Vec<_>>() })))
}
