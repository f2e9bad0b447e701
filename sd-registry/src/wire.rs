//! What goes over the wire in both directions, but for instances and events, which are text already.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The body of `/v1/register`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "I: Deserialize<'de>, N: Deserialize<'de>"))]
pub(crate) struct RegisterBody<I, N> {
    pub(crate) service: String,
    pub(crate) instance: I,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_ms: Option<N>,
    #[serde(default)]
    pub(crate) prior: bool,
}

/// The answer of `/v1/register`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RegisterAnswer {
    pub(crate) service: String,
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) revision: u64,
    pub(crate) ttl_ms: u64,
    pub(crate) took_over: bool,
}

/// The body of `/v1/update`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateBody<I> {
    pub(crate) service: String,
    pub(crate) instance: I,
}

/// The answer of `/v1/update` and `/v1/drain`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangeAnswer {
    pub(crate) revision: u64,
}

/// The body of `/v1/deregister`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeregisterBody {
    pub(crate) service: String,
    pub(crate) id: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
}

/// The answer of `/v1/deregister`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeregisterAnswer {
    pub(crate) removed: bool,
    pub(crate) revision: u64,
}

/// The body of `/v1/drain`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainBody {
    pub(crate) service: String,
    pub(crate) id: String,
}

/// The body of `/v1/renew`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewBody<E> {
    pub(crate) entries: Vec<E>,
}

/// The body of `/v1/leases`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeasesBody<E> {
    pub(crate) entries: Vec<E>,
}

/// One of those asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseEntry {
    pub(crate) service: String,
    pub(crate) id: String,
}

/// One of those renewed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewEntry {
    pub(crate) service: String,
    pub(crate) id: String,
    pub(crate) owner: String,
}

/// The answer of `/v1/renew`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RenewAnswer {
    pub(crate) results: Vec<RenewResult>,
}

/// What became of one renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RenewResult {
    Ok,
    Gone,
    Superseded,
}

/// The answer of `GET /v1/services`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServicesAnswer {
    pub(crate) epoch: String,
    pub(crate) revision: u64,
    pub(crate) services: Vec<ServiceAnswer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stale: Option<StaleAnswer>,
}

/// One service in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServiceAnswer {
    pub(crate) name: String,
    pub(crate) instances: usize,
}

/// Why a front's answer is not fresh.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StaleAnswer {
    pub(crate) for_ms: u64,
    pub(crate) error: String,
}

/// An entry, as lists and events show it.
#[derive(Debug, Deserialize)]
pub(crate) struct EntryText<'a> {
    pub(crate) service: &'a str,
    pub(crate) revision: u64,
    #[serde(default)]
    pub(crate) registered_at_ms: Option<u64>,
    #[serde(default)]
    pub(crate) ttl_ms: Option<u64>,
    #[serde(borrow)]
    pub(crate) instance: &'a RawValue,
}

/// A value that may be left out, and is not `null` when it is there.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
