//! Reads a JSON body: strictly, within limits, and naming the field that is wrong.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::object::Object;
use crate::http::problem::Problem;

/// A body has to arrive within this time.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The body as `T`.
///
/// # Errors
/// Another content type, more than `limit` bytes, no JSON, another shape.
pub(crate) async fn json<T: DeserializeOwned>(request: Request<Body>, limit: usize) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::not_json("send the body as content-type: application/json"));
    }
    parse(&bytes(request, limit).await?)
}

/// The body, whatever it is.
///
/// # Errors
/// More than `limit` bytes, or it does not arrive.
pub(crate) async fn bytes(request: Request<Body>, limit: usize) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    let collected = tokio::time::timeout(ARRIVAL, Limited::new(request.into_body(), limit).collect()).await;
    let collected = collected.map_err(|_| Problem::too_slow(format!("it has not arrived within {ARRIVAL:?}")))?;
    let bytes = collected.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Problem::too_large(limit),
        None => Problem::malformed("the body broke off"),
    })?;
    Ok(bytes.to_bytes())
}

/// `bytes` as `T`.
///
/// # Errors
/// No JSON, another shape; names the field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    deserializer.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

fn explain(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    if !error.is_data() {
        return Problem::malformed(text);
    }
    if let Some(name) = between_ticks(&text, "unknown field `") {
        return Problem::unknown_field(inner(path, name), text);
    }
    for before in ["missing field `", "duplicate field `"] {
        if let Some(name) = between_ticks(&text, before) {
            return Problem::invalid(inner(path, name), text);
        }
    }
    Problem::invalid(if path == "." { "" } else { path }, text)
}

/// The field `name` at `path`; the path may name it already.
fn inner(path: &str, name: &str) -> String {
    match path {
        "." => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn between_ticks<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split('`').next()
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::instance_body::InstanceBody;
    use crate::http::whole::Whole;
    use crate::wire::{RegisterBody, RenewBody, RenewEntry};

    type Register = RegisterBody<Object<InstanceBody>, Whole<u64>>;

    /// What a handler does with a body before it does anything else.
    fn read(bytes: &[u8]) {
        if let Ok(body) = parse::<Register>(bytes)
            && let Ok(checked) = body.instance.0.checked()
        {
            drop(checked.encode(&checked.owner_or_new()));
        }
        drop(parse::<RenewBody<Object<RenewEntry>>>(bytes));
    }

    const GOOD: &str = r#"{"service":"book","instance":{"v":1,"id":"a","address":"[::1]:80","weight":2,"health":"up",
        "zone":"z","tags":["t"],"metadata":{"k":"v"},"ports":{"p":1},"owner":"o"},"ttl_ms":10000,"prior":true}"#;

    #[test]
    fn a_good_body_is_read() {
        assert!(parse::<Register>(GOOD.as_bytes()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }

        #[test]
        fn no_damage_to_a_good_body_makes_it_panic(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..4), 1..6),
        ) {
            let mut bytes = GOOD.as_bytes().to_vec();
            for (at, byte, kind) in damage {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => drop(bytes.drain(at..)),
                    _ => {
                        let tail = bytes[at..].to_vec();
                        bytes.extend(tail);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            read(&bytes);
        }
    }
}
