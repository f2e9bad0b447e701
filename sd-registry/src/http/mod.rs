//! The HTTP API: routes, and what stands before them.

pub(crate) mod access;
mod acts;
pub(crate) mod app;
pub(crate) mod body;
mod events;
pub(crate) mod guard;
mod health;
mod instance_body;
mod leases;
mod metrics_text;
mod object;
mod openapi;
mod page;
pub(crate) mod problem;
mod reads;
mod recent;
mod requirements;
mod snapshot_parts;
mod tokens;
mod whole;

use std::any::Any;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use http::header::AUTHORIZATION;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use crate::http::access::authenticate;
use crate::http::app::App;
use crate::http::guard::guard;
use crate::http::problem::Problem;

/// A path, its method, and what answers it. The OpenAPI document is compared with this table by a test.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) method: &'static str,
    handler: MethodRouter<App>,
}

/// All of version 1.
pub(crate) fn v1() -> Vec<Route> {
    let read = |path, handler| Route { path, method: "get", handler };
    let act = |path, handler| Route { path, method: "post", handler };
    vec![
        act("/v1/register", post(acts::register)),
        act("/v1/renew", post(acts::renew)),
        act("/v1/update", post(acts::update)),
        act("/v1/deregister", post(acts::deregister)),
        act("/v1/drain", post(acts::drain)),
        read("/v1/services", get(reads::services)),
        read("/v1/services/{service}", get(reads::service)),
        read("/v1/watch/services", get(events::names)),
        read("/v1/watch/services/{service}", get(events::service)),
        read("/v1/watch/instances", get(events::instances)),
        act("/v1/leases", post(leases::leases)),
        read("/v1/requirements", get(requirements::requirements)),
        read("/v1/recent", get(recent::recent)),
        read("/v1/status", get(reads::status)),
        read("/v1/openapi.json", get(openapi::document)),
    ]
}

/// Everything that the centre answers.
pub(crate) fn router(app: App) -> Router {
    let mut known = Router::new();
    for route in v1() {
        let allow = if route.method == "get" { "GET, HEAD" } else { "POST" };
        let elsewise = move |request: Request| async move { wrong_method(&request, allow) };
        known = known.route(route.path, route.handler.fallback(elsewise));
    }
    let elsewise = |request: Request| async move { wrong_method(&request, "GET, HEAD") };
    known = known.route("/metrics", get(metrics_text::metrics).fallback(elsewise));
    known
        .layer(from_fn_with_state(app.clone(), authenticate))
        // Whoever starts and stops the centre has no token.
        .route("/healthz", get(health::alive).fallback(elsewise))
        .route("/readyz", get(health::ready).fallback(elsewise))
        // What the page shows it asks of the API, with the token that it is given; it holds nothing itself.
        .route("/", get(page::index).fallback(elsewise))
        .route("/page/{file}", get(page::file).fallback(elsewise))
        // Its callers know no tokens; it guards itself.
        .route("/services", any(crate::push::routes::services))
        .fallback(unknown_path)
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn_with_state(app.clone(), count))
        .layer(from_fn(no_sniffing))
        .layer(CatchPanicLayer::custom(caught))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        .with_state(app)
}

async fn unknown_path(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::not_found(format!("there is no {path:?}; GET /v1/openapi.json tells what there is"))
}

fn wrong_method(request: &Request, allow: &'static str) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::method_not_allowed(format!("{path} answers {allow}, not {method}"), allow)
}

async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    if let Some(counter) = app.metrics.requests.get(usize::from(status.as_u16() / 100)) {
        counter.one();
    }
    tracing::debug!(%method, path, status = status.as_u16(), "answered");
    response
}

/// No browser is to take an answer for a page.
async fn no_sniffing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", http::HeaderValue::from_static("nosniff"));
    response
}

fn caught(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
    tracing::error!(panic = text, "a handler panicked");
    Problem::internal().into_response()
}
