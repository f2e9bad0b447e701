//! What is sent to the centre, and what comes back: the JSON of its API v1.

use std::borrow::Cow;

use sd_core::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(crate) const REGISTER: &str = "/v1/register";
pub(crate) const RENEW: &str = "/v1/renew";
pub(crate) const UPDATE: &str = "/v1/update";
pub(crate) const DEREGISTER: &str = "/v1/deregister";
pub(crate) const DRAIN: &str = "/v1/drain";
pub(crate) const SERVICES: &str = "/v1/services";
pub(crate) const WATCH_SERVICES: &str = "/v1/watch/services";
pub(crate) const STATUS: &str = "/v1/status";

/// How many entries one request may renew.
pub(crate) const MOST_RENEWED: usize = 10_000;
/// The largest body that is sent: below the centre's limit of 1 MiB.
pub(crate) const MOST_SENT: usize = 1_000_000;

#[derive(Serialize)]
pub(crate) struct Register<'a> {
    pub(crate) service: &'a str,
    pub(crate) instance: &'a RawValue,
    pub(crate) ttl_ms: u64,
    pub(crate) prior: bool,
}

#[derive(Deserialize)]
pub(crate) struct Registered {
    pub(crate) revision: u64,
    pub(crate) ttl_ms: u64,
}

#[derive(Serialize)]
pub(crate) struct Update<'a> {
    pub(crate) service: &'a str,
    pub(crate) instance: &'a RawValue,
}

#[derive(Deserialize)]
pub(crate) struct Revised {
    pub(crate) revision: u64,
}

/// Names an entry; with an owner, only while it is that owner's.
#[derive(Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) service: &'a str,
    pub(crate) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Renew<'a> {
    pub(crate) entries: Vec<Named<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Renewed {
    pub(crate) results: Vec<Renewal>,
}

/// What became of one entry that was to be renewed.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Renewal {
    Ok,
    Gone,
    Superseded,
    /// The token has no longer the right; also what a later version says that this one does not know.
    #[serde(other)]
    Refused,
}

#[derive(Deserialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<ServiceCount>,
}

#[derive(Deserialize)]
pub(crate) struct ServiceCount {
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    pub(crate) version: String,
}

/// One entry of a snapshot, or a change of one. The instance is read by the codec.
#[derive(Deserialize)]
pub(crate) struct Entry<'a> {
    pub(crate) revision: u64,
    #[serde(borrow)]
    pub(crate) instance: &'a RawValue,
}

#[derive(Deserialize)]
pub(crate) struct Snapshot<'a> {
    #[serde(borrow)]
    pub(crate) instances: Vec<Entry<'a>>,
    pub(crate) more: bool,
    #[serde(default)]
    pub(crate) stale: Option<Stale>,
}

#[derive(Deserialize)]
pub(crate) struct Names {
    pub(crate) services: Vec<String>,
    pub(crate) more: bool,
    #[serde(default)]
    pub(crate) stale: Option<Stale>,
}

#[derive(Deserialize)]
pub(crate) struct Removed<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    pub(crate) revision: u64,
}

/// A service that came or went.
#[derive(Deserialize)]
pub(crate) struct NamedService<'a> {
    #[serde(borrow)]
    pub(crate) service: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(crate) struct Stale {
    #[serde(default)]
    pub(crate) error: String,
}

impl Stale {
    /// What a front says is in the way of its registry.
    pub(crate) fn error(&self, operation: &'static str) -> Error {
        let reason = if self.error.is_empty() { "no reason given" } else { &self.error };
        let error = Error::unavailable("the registry behind this centre can't be watched");
        error.with_backend(super::error::NAME).during(operation).with_source(reason.to_owned())
    }
}

/// The id of an instance that can't be read otherwise.
#[derive(Deserialize)]
pub(crate) struct IdOnly<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
}

/// `application/problem+json`.
#[derive(Deserialize, Default)]
pub(crate) struct Problem {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_a_later_version_adds_are_no_error() {
        let entry: Entry<'_> =
            serde_json::from_str(r#"{"service":"a","revision":7,"new":{},"instance":{"id":"x","new":1}}"#).unwrap();
        assert_eq!((entry.revision, entry.instance.get()), (7, r#"{"id":"x","new":1}"#));
        let renewed: Renewed =
            serde_json::from_str(r#"{"results":["ok","gone","superseded","forbidden"],"x":1}"#).unwrap();
        assert_eq!(renewed.results, [Renewal::Ok, Renewal::Gone, Renewal::Superseded, Renewal::Refused]);
        let removed: Removed<'_> = serde_json::from_str(r#"{"id":"a\"b","revision":1,"reason":"expired"}"#).unwrap();
        assert_eq!(removed.id, "a\"b");
    }

    #[test]
    fn an_act_without_an_owner_says_none() {
        let named = Named { service: "a", id: "b", owner: None };
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"service":"a","id":"b"}"#);
    }
}
