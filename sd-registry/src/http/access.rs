//! Who asks, and what they may do.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use sd_core::ServiceName;

use crate::http::app::App;
use crate::http::problem::Problem;
pub(crate) use crate::http::tokens::Tokens;
use crate::http::tokens::{Rights, TokenDigest, digest};

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// There are no tokens: everybody may do everything.
    Anybody,
    /// One with a token.
    Known { tokens: Arc<Tokens>, token: TokenDigest, rights: Arc<Rights> },
}

impl Caller {
    /// Whether this caller may change a service.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_write(&self, service: &ServiceName) -> Result<(), Problem> {
        match self {
            Self::Known { rights, .. } if !rights.may_write(service) => {
                Err(Problem::forbidden(format!("the token {:?} may not write {service}", rights.name)))
            }
            _ => Ok(()),
        }
    }

    /// Whether this caller may read a service.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_read(&self, service: &ServiceName) -> Result<(), Problem> {
        match self {
            Self::Known { rights, .. } if !rights.may_read(service) => {
                Err(Problem::forbidden(format!("the token {:?} may not read {service}", rights.name)))
            }
            _ => Ok(()),
        }
    }

    /// Whether this caller is shown a service in a list of many.
    pub(crate) fn sees(&self, service: &ServiceName) -> bool {
        match self {
            Self::Anybody => true,
            Self::Known { rights, .. } => rights.may_read_all() || rights.may_read(service),
        }
    }

    /// What a caller is told of itself: the name of its token, and what that may read and write.
    pub(crate) fn told(&self) -> serde_json::Value {
        match self {
            Self::Anybody => serde_json::json!({ "name": null, "read": ["*"], "write": ["*"] }),
            Self::Known { rights, .. } => serde_json::json!({
                "name": rights.name,
                "read": rights.reads(),
                "write": rights.writes(),
            }),
        }
    }

    /// Stands for what this caller sees of many services: zero for everything.
    pub(crate) fn outlook(&self) -> u64 {
        match self {
            Self::Anybody => 0,
            Self::Known { rights, .. } => rights.outlook(),
        }
    }

    /// Looks the rights up again, for what lasts; says whether there are any left, and whether they are the same.
    pub(crate) fn refresh(&mut self) -> Refreshed {
        let Self::Known { tokens, token, rights } = self else { return Refreshed::Same };
        match tokens.rights(token) {
            None => Refreshed::Revoked,
            Some(now) if now == *rights => Refreshed::Same,
            Some(now) => {
                *rights = now;
                Refreshed::Changed
            }
        }
    }
}

/// What became of a caller's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refreshed {
    Same,
    Changed,
    Revoked,
}

/// Finds out who asks, before anything is read of what they ask.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let caller = match &app.tokens {
        None => Caller::Anybody,
        Some(tokens) => match known(tokens, &request) {
            Ok(caller) => caller,
            Err(problem) => {
                app.metrics.refused_tokens.one();
                return problem.into_response();
            }
        },
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn known(tokens: &Arc<Tokens>, request: &Request) -> Result<Caller, Problem> {
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        return Err(Problem::unauthenticated("send authorization: Bearer and a token"));
    };
    let bearer = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = bearer else {
        return Err(Problem::unauthenticated("the authorization header is not Bearer and a token"));
    };
    let token = digest(token);
    let Some(rights) = tokens.rights(&token) else {
        return Err(Problem::unauthenticated("the token is not known"));
    };
    Ok(Caller::Known { tokens: Arc::clone(tokens), token, rights })
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Every route that asks for a caller stands behind `authenticate`; a test walks all of them.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self::Anybody))
    }
}
