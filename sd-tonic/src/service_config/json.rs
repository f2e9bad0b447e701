//! The JSON form of a service config, as grpc/service_config.proto has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Balancer, Error};
use serde::{Deserialize, Deserializer, de};
use tonic::Code;

use super::ServiceConfig;
use crate::method_config::{MethodConfig, RetryRule};
use crate::policies::Policies;
use crate::throttle::Throttle;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "loadBalancingConfig")]
    config: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    #[serde(rename = "loadBalancingPolicy", alias = "LoadBalancingPolicy")]
    policy: Option<String>,
    #[serde(rename = "methodConfig", default)]
    methods: Vec<Method>,
    #[serde(rename = "retryThrottling")]
    throttling: Option<Throttling>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Method {
    name: Vec<Name>,
    wait_for_ready: Option<bool>,
    timeout: Option<Seconds>,
    retry_policy: Option<Retry>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Name {
    service: String,
    method: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Retry {
    max_attempts: u32,
    initial_backoff: Seconds,
    max_backoff: Seconds,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<StatusCode>,
    per_attempt_recv_timeout: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Throttling {
    max_tokens: f64,
    token_ratio: f64,
}

/// `"1.5s"`.
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = seconds(&text);
        duration.map(Self).ok_or_else(|| de::Error::custom(format!("{text:?}: a duration is written \"1.5s\"")))
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.strip_suffix('s').map(|number| number.split_once('.').unwrap_or((number, "0")))?;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = fraction.parse::<u32>().ok()? * 10u32.pow(9 - fraction.len() as u32);
    Some(Duration::new(whole.parse().ok()?, nanos))
}

struct StatusCode(Code);

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = serde_json::Value::deserialize(deserializer)?;
        let code = match &given {
            serde_json::Value::Number(number) => {
                number.as_i64().and_then(|number| (1..=16).find(|n| i64::from(*n) == number))
            }
            serde_json::Value::String(name) => (1..=16).zip(NAMES).find(|(_, known)| known == name).map(|(n, _)| n),
            _ => None,
        };
        let allowed = || de::Error::custom(format!("status {given}: allowed are 1 to 16 and {}", NAMES.join(", ")));
        code.map(|code| Self(Code::from_i32(code))).ok_or_else(allowed)
    }
}

/// From 1 on.
const NAMES: [&str; 16] = [
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) fn read(json: &str, policies: &Policies) -> Result<ServiceConfig, Error> {
    // serde's message names the field, what is allowed, line and column.
    let whole: Whole = serde_json::from_str(json).map_err(|error| Error::config(error.to_string()))?;
    let balancer = balancer(whole.config, whole.policy, policies)?;
    let throttle = whole.throttling.map(|given| Throttle::new(given.max_tokens, given.token_ratio)).transpose()?;
    let mut config = ServiceConfig { balancer, throttle, ..ServiceConfig::default() };
    for method in whole.methods {
        let names = method.name.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let rule = MethodConfig {
            timeout: method.timeout.map(|Seconds(timeout)| timeout),
            wait_for_ready: method.wait_for_ready,
            retry: method.retry_policy.map(rule),
        };
        for name in names {
            if config.methods.contains_key(&name) {
                return Err(Error::config(format!("methodConfig: the name {name:?} stands there twice")));
            }
            config.methods.insert(name, rule.clone());
        }
    }
    config.check()?;
    Ok(config)
}

fn key(Name { service, method }: &Name) -> Result<String, Error> {
    match (service.as_str(), method.as_str()) {
        ("", "") => Ok(String::new()),
        ("", method) => Err(Error::config(format!("methodConfig: the method {method:?} is named without its service"))),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

fn rule(retry: Retry) -> RetryRule {
    let codes = retry.retryable_status_codes.into_iter().map(|StatusCode(code)| code);
    let (Seconds(first), Seconds(longest)) = (retry.initial_backoff, retry.max_backoff);
    let rule = RetryRule::attempts(retry.max_attempts).codes(codes).pauses(first, longest, retry.backoff_multiplier);
    match retry.per_attempt_recv_timeout {
        Some(Seconds(timeout)) => rule.per_attempt(timeout),
        None => rule,
    }
}

fn balancer(
    config: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    policy: Option<String>,
    policies: &Policies,
) -> Result<Option<Arc<dyn Balancer>>, Error> {
    let Some(config) = config else {
        return policy.map(|name| policies.policy(&name).ok_or_else(|| unknown(&[&name], policies))).transpose();
    };
    if policy.is_some() {
        return Err(Error::config("both loadBalancingConfig and the older loadBalancingPolicy: write the first alone"));
    }
    let mut entries = Vec::new();
    for entry in &config {
        match entry.iter().next() {
            Some(named) if entry.len() == 1 => entries.push(named),
            _ => {
                return Err(Error::config("loadBalancingConfig: each entry names one policy: { \"round_robin\": {} }"));
            }
        }
    }
    // The first that is known, so that one config can serve programs of several ages.
    for (name, options) in &entries {
        if let Some(balancer) = policies.policy(name) {
            return match options.as_object() {
                Some(options) if options.is_empty() => Ok(Some(balancer)),
                Some(options) => {
                    let fields = options.keys().cloned().collect::<Vec<_>>().join(", ");
                    Err(Error::config(format!("loadBalancingConfig: {name} has no field {fields}; write {{}}")))
                }
                None => Err(Error::config(format!("loadBalancingConfig: {name}: write {{}}"))),
            };
        }
    }
    let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
    Err(unknown(&names, policies))
}

fn unknown(names: &[&str], policies: &Policies) -> Error {
    Error::config(format!("unknown load balancing policy {names:?}; known are {}", policies.names()))
}
