//! Requests that consulrs lacks or has wrong, as rustify endpoints.
//!
//! consulrs 0.1.0 has no health of services; its registration knows no `replace-existing-checks` and types a check's
//! headers as texts where Consul wants lists; its maintenance request has no reason.

use std::collections::BTreeMap;

use rustify::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use serde::Serialize;

use crate::definition::{Definition, Probe, Rhythm};

/// A request without a body.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) method: RequestMethod,
    /// Unencoded: rustify does that, once.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
}

impl Plain {
    pub(super) fn get(path: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self { method: RequestMethod::GET, path: path.into(), query }
    }

    pub(super) fn put(path: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self { method: RequestMethod::PUT, path: path.into(), query }
    }
}

impl Endpoint for Plain {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn query(&self) -> Result<Option<String>, ClientError> {
        rustify::http::build_query(&self.query).map(|query| Some(query).filter(|query| !query.is_empty()))
    }
}

/// A request with a JSON body.
#[derive(Debug)]
pub(super) struct WithBody<B> {
    pub(super) method: RequestMethod,
    pub(super) path: &'static str,
    pub(super) query: Option<&'static str>,
    pub(super) body: B,
}

impl<B: Serialize + Send + Sync> Endpoint for WithBody<B> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.to_owned()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn query(&self) -> Result<Option<String>, ClientError> {
        Ok(self.query.map(str::to_owned))
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        rustify::http::build_body(&self.body, RequestType::JSON).map(Some)
    }
}

/// The body of a registration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RegisterBody<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    address: &'a str,
    port: u16,
    weights: WeightsBody,
    check: CheckBody<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WeightsBody {
    passing: u32,
    warning: u32,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CheckBody<'a> {
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    status: &'a str,
    deregister_critical_service_after: String,
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(rename = "HTTP", skip_serializing_if = "Option::is_none")]
    http: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<&'a str, Vec<&'a str>>,
    #[serde(rename = "TCP", skip_serializing_if = "Option::is_none")]
    tcp: Option<&'a str>,
    #[serde(rename = "GRPC", skip_serializing_if = "Option::is_none")]
    grpc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
}

impl<'a> RegisterBody<'a> {
    pub(super) fn of(definition: &'a Definition) -> Self {
        let Definition { id, service, tags, meta, address, port, weights, check } = definition;
        let mut body = CheckBody {
            check_id: &check.id,
            status: check.initial.as_str(),
            deregister_critical_service_after: milliseconds(check.deregister_after),
            ..CheckBody::default()
        };
        let every = |body: &mut CheckBody<'a>, rhythm: &Rhythm| {
            body.interval = Some(milliseconds(rhythm.interval));
            body.timeout = Some(milliseconds(rhythm.timeout));
        };
        match &check.probe {
            Probe::Ttl(ttl) => body.ttl = Some(milliseconds(*ttl)),
            Probe::Http { url, method, headers, every: rhythm } => {
                body.http = Some(url);
                body.method = method.as_deref();
                for (name, value) in headers {
                    body.header.entry(name).or_default().push(value.expose());
                }
                every(&mut body, rhythm);
            }
            Probe::Tcp { target, every: rhythm } => {
                body.tcp = Some(target);
                every(&mut body, rhythm);
            }
            Probe::Grpc { target, every: rhythm } => {
                body.grpc = Some(target);
                every(&mut body, rhythm);
            }
        }
        let weights = WeightsBody { passing: weights.passing, warning: weights.warning };
        Self { id, name: service, tags, meta, address, port: *port, weights, check: body }
    }
}

/// One question of whether the token may do something.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Right<'a> {
    pub(super) resource: &'static str,
    pub(super) access: &'static str,
    pub(super) segment: &'a str,
}

/// As Go reads a duration.
pub(super) fn milliseconds(duration: std::time::Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str, query: Vec<(&'static str, String)>) -> String {
        Plain::get(path, query).request("http://h:8500/v1").unwrap().uri().to_string()
    }

    #[test]
    fn consulrs_double_url_encodes_paths_ours_are_encoded_once() {
        let path = url("agent/service/web:a b%2F#?ж", Vec::new());
        assert_eq!(path, "http://h:8500/v1/agent/service/web:a%20b%252F%23%3F%D0%B6");
        let query = url("health/service/web", vec![("tag", "a b&c=ж".to_owned()), ("tag", "d".to_owned())]);
        assert_eq!(query, "http://h:8500/v1/health/service/web?tag=a+b%26c%3D%D0%B6&tag=d");
    }

    #[test]
    fn no_letter_of_an_id_makes_a_request_impossible() {
        let printable: String = (' '..='~').filter(|letter| *letter != '/').collect();
        let all = url(&format!("agent/service/web:{printable}..日本"), Vec::new());
        let sent = all.rsplit_once("/v1/agent/service/").unwrap().1;
        assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()) && !sent.contains(['/', '?', '#']), "{sent}");
    }
}
