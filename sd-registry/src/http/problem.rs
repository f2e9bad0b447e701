//! Errors as `application/problem+json` (RFC 9457): what was given, what is allowed, and in which field.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use sd_core::Error;
use serde_json::json;

use crate::engine::ledger::Refusal;

/// What is answered instead of what was asked for. Boxed: most requests have none.
#[derive(Debug)]
pub(crate) struct Problem(Box<Told>);

#[derive(Debug)]
struct Told {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    field: Option<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Told { status, kind, title, detail: detail.into(), field: None, header: None }))
    }

    fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "This is not JSON", detail)
    }

    pub(crate) fn unknown_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unknown-field", "There is no such field", detail).at(field)
    }

    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "A value is not allowed", detail).at(field)
    }

    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A token is needed", detail)
            .with(WWW_AUTHENTICATE, "Bearer")
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The token lacks the right", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    pub(crate) fn method_not_allowed(detail: impl Into<String>, allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The path knows other methods", detail)
            .with(ALLOW, allow)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than the limit of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body did not arrive", detail)
    }

    pub(crate) fn not_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "The content type is not JSON", detail)
    }

    pub(crate) fn wrong_host(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", "This is another host", detail)
    }

    pub(crate) fn too_many(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, kind, "A limit is reached", detail).with(RETRY_AFTER, "1")
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "It can't be done now", detail).with(RETRY_AFTER, "1")
    }

    /// What it says to people.
    pub(crate) fn into_detail(self) -> String {
        self.0.detail
    }

    /// A panic in a handler: a fault of ours, told as such.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The centre has a fault", "see the centre's log")
    }
}

/// What an error says, and its cause.
pub(crate) fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound { service, id } => Self::not_found(format!("{service} has no instance {id:?}")),
            Refusal::Superseded { service, id } => {
                let detail = format!("another owner holds {id:?} of {service}");
                Self::new(StatusCode::CONFLICT, "superseded", "Another owner holds it", detail)
            }
            Refusal::Full(detail) => Self::too_many("too-many-instances", detail),
            Refusal::Invalid(error) => Self::invalid("instance", told(&error)),
            Refusal::Unavailable(error) => Self::unavailable(told(&error)),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Told { status, kind, title, detail, field, header } = *self.0;
        let mut body = json!({
            "type": format!("urn:sd:problem:{}", kind),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
        });
        if let Some(field) = field {
            body["field"] = field.into();
        }
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
