//! The API's description, kept by hand and held to the routes by a test.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;

use crate::http::acts::json_text;
use crate::http::problem::Problem;
use crate::http::reads::{NoQuery, queried};

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

pub(crate) async fn document(query: Result<Query<NoQuery>, QueryRejection>) -> Result<Response, Problem> {
    let NoQuery {} = queried(query)?;
    Ok(json_text(DOCUMENT.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn the_document_describes_the_routes_that_there_are_and_no_others() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert((path.clone(), method.clone()));
            }
        }
        let routed: BTreeSet<_> =
            crate::http::v1().into_iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(target)) = fields.get("$ref") {
                        found.push(target.clone());
                    }
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn the_limits_in_the_document_are_those_of_the_code() {
        let document = document();
        let at = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64).unwrap();
        let schemas = "/components/schemas";
        assert_eq!(at(&format!("{schemas}/Weight/maximum")), u64::from(sd_core::defaults::MAX_WEIGHT));
        assert_eq!(at(&format!("{schemas}/Id/maxLength")), sd_core::defaults::MAX_ID_BYTES as u64);
        assert_eq!(at(&format!("{schemas}/ServiceName/maxLength")), sd_core::defaults::MAX_SERVICE_BYTES as u64);
        let max_ttl = u64::try_from(sd_core::defaults::MAX_TTL.as_millis()).unwrap();
        assert_eq!(at(&format!("{schemas}/TtlMs/maximum")), max_ttl);
        assert_eq!(at(&format!("{schemas}/Renew/properties/entries/maxItems")), crate::http::acts::MAX_RENEWALS as u64);
        assert_eq!(
            at(&format!("{schemas}/Leases/properties/entries/maxItems")),
            crate::http::leases::MAX_LEASES as u64
        );
    }
}
