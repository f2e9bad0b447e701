//! What a service posts, read as Go's decoder reads it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A registration as it was posted; what was left out, or `null`, is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RegistrationBody {
    pub(crate) service_name: String,
    pub(crate) service_url: String,
    pub(crate) required_services: Vec<String>,
    pub(crate) service_update_url: String,
    pub(crate) heartbeat_url: String,
}

impl RegistrationBody {
    /// Reads the first JSON value of a body: what follows it is not looked at, as with a Go `Decoder`.
    ///
    /// # Errors
    /// No JSON, or a field of another type.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        // Go takes bytes that are no UTF-8 for the replacement character.
        let text = String::from_utf8_lossy(body);
        Self::deserialize(&mut serde_json::Deserializer::from_str(&text))
    }
}

impl<'de> Deserialize<'de> for RegistrationBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = RegistrationBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a registration as an object")
    }

    fn visit_unit<E>(self) -> Result<RegistrationBody, E> {
        Ok(RegistrationBody::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegistrationBody, A::Error> {
        let mut body = RegistrationBody::default();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match fold(&key).as_str() {
                "servicename" => text(&mut map, &mut body.service_name)?,
                "serviceurl" => text(&mut map, &mut body.service_url)?,
                "serviceupdateurl" => text(&mut map, &mut body.service_update_url)?,
                "heartbeaturl" => text(&mut map, &mut body.heartbeat_url)?,
                "requiredservices" => {
                    let names: Option<Vec<Option<String>>> = map.next_value()?;
                    body.required_services = names.into_iter().flatten().map(Option::unwrap_or_default).collect();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(body)
    }
}

/// `null` leaves what is there.
fn text<'de, A: MapAccess<'de>>(map: &mut A, field: &mut String) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<String>>()? {
        *field = value;
    }
    Ok(())
}

/// Field names count in any case, by Unicode's simple folding: two letters beyond ASCII fold into it.
fn fold(key: &str) -> String {
    let fold = |letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gos_encoder_writes_is_read() {
        let text = concat!(
            r#"{"ServiceName":"GradingService","ServiceURL":"http://localhost:6000","#,
            r#""RequiredServices":["LogService"],"ServiceUpdateURL":"http://localhost:6000/services","#,
            r#""HeartbeatURL":"http://localhost:6000/heartbeat"}"#,
            "\n"
        );
        let body = RegistrationBody::parse(text.as_bytes()).unwrap();
        assert_eq!(body.service_name, "GradingService");
        assert_eq!(body.service_url, "http://localhost:6000");
        assert_eq!(body.required_services, ["LogService"]);
        assert_eq!(body.service_update_url, "http://localhost:6000/services");
        assert_eq!(body.heartbeat_url, "http://localhost:6000/heartbeat");
    }

    #[test]
    fn gos_leniency_is_ours() {
        let parsed = |text: &str| RegistrationBody::parse(text.as_bytes());
        let body =
            parsed(r#"{"servicename":"a","SERVICEURL":"u","Heartbeat\u0055rl":"h","Version":{"x":[1]}} and more"#);
        let body = body.unwrap();
        assert_eq!(
            (body.service_name.as_str(), body.service_url.as_str(), body.heartbeat_url.as_str()),
            ("a", "u", "h")
        );
        let body = parsed(r#"{"ServiceName":"a","ServiceName":null,"RequiredServices":null}"#).unwrap();
        assert_eq!((body.service_name.as_str(), body.required_services.len()), ("a", 0));
        assert_eq!(parsed(r#"{"RequiredServices":["a",null]}"#).unwrap().required_services, ["a", ""]);
        assert_eq!(parsed("null").unwrap(), RegistrationBody::default());
        assert_eq!(parsed("{\"\u{17f}erviceName\":\"a\"}").unwrap().service_name, "a");
        let body = RegistrationBody::parse(b"{\"ServiceName\":\"a\xff\"}").unwrap();
        assert_eq!(body.service_name, "a\u{fffd}");
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "{", "[]", "3", "\"a\"", "{\"ServiceName\":1}", "{\"RequiredServices\":\"a\"}", "{a:1}", "nul"]
        {
            assert!(RegistrationBody::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(RegistrationBody::parse(deep.as_bytes()).is_err());
        assert!(RegistrationBody::parse(format!("{{\"x\":{deep}").as_bytes()).is_err());
    }
}
