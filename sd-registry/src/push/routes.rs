//! `/services`, as article 001's centre answers it.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, Method, Request, StatusCode};

use crate::http::app::App;
use crate::http::body;
use crate::http::guard::Peer;
use crate::http::problem::Problem;
use crate::push::registration::RegistrationBody;

/// Longer than any URL that can have been registered.
const MAX_DELETE_BYTES: usize = 64 << 10;

/// `POST` registers, `DELETE` deregisters. What goes wrong is told as text; the article's programs look at the status.
pub(crate) async fn services(State(app): State<App>, request: Request<Body>) -> Response {
    if !app.push.is_on() {
        return Problem::not_found("there is no /services: this centre does not speak the push protocol")
            .into_response();
    }
    let Some(Peer(from)) = request.extensions().get::<Peer>().copied() else {
        return told(StatusCode::INTERNAL_SERVER_ERROR, "nobody knows who asks");
    };
    if !may_ask(app.tokens.is_some(), app.push.answers_others(), from) {
        return told(StatusCode::FORBIDDEN, "this centre has tokens, so /services answers its own host alone");
    }
    if is_from_a_page(request.headers()) {
        return told(StatusCode::FORBIDDEN, "/services does not answer web pages");
    }
    match *request.method() {
        Method::POST => {
            let bytes = match body::bytes(request, app.limits.body_bytes).await {
                Ok(bytes) => bytes,
                Err(problem) => return problem.into_response(),
            };
            let registered = match RegistrationBody::parse(&bytes) {
                Ok(registration) => app.push.register(registration, from).await,
                Err(error) => Err(format!("the body is no registration: {error}")),
            };
            answer(registered, StatusCode::BAD_REQUEST)
        }
        Method::DELETE => {
            let bytes = match body::bytes(request, MAX_DELETE_BYTES).await {
                Ok(bytes) => bytes,
                Err(problem) => return problem.into_response(),
            };
            let removed = app.push.deregister(&String::from_utf8_lossy(&bytes)).await;
            answer(removed, StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => {
            let mut response = told(StatusCode::METHOD_NOT_ALLOWED, "/services answers POST and DELETE");
            response.headers_mut().insert(ALLOW, http::HeaderValue::from_static("POST, DELETE"));
            response
        }
    }
}

/// Where there are tokens, whoever shows none must be on this host, unless others were let in.
fn may_ask(has_tokens: bool, answers_others: bool, from: IpAddr) -> bool {
    !has_tokens || answers_others || from.to_canonical().is_loopback()
}

/// A browser on this host connects from loopback, whatever page it shows: it must not register for that page. Unlike
/// `/v1` no content type keeps it out, since the article's centre asks for none.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

fn answer(outcome: Result<(), String>, status: StatusCode) -> Response {
    match outcome {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => told(status, &why),
    }
}

fn told(status: StatusCode, why: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{why}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_tokens_only_this_host_may_ask_unless_others_are_let_in() {
        let [own, mapped, other] = ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.7"].map(|text| text.parse().unwrap());
        assert!(may_ask(true, false, own) && may_ask(true, false, mapped) && !may_ask(true, false, other));
        assert!(may_ask(true, true, other) && may_ask(false, false, other));
    }
}
