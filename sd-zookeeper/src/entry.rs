//! What stands in a node: an instance as this library writes it, as an address alone, or as Curator writes it.

use sd_core::{Address, Codec, Entry, Error, ErrorKind, Health, Instance, Owner, UnknownFields};
use serde::Deserialize;
use serde_json::Value;

/// How an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By this library.
    Json,
    /// The address alone: go-kit's registrar, and `codec=plain`.
    Plain,
    /// By Curator's service discovery.
    Curator,
}

/// What stands in a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(crate) instance: Instance,
    /// Who registered it; `None` where another program wrote it.
    pub(crate) owner: Option<Owner>,
    /// What an update must keep.
    pub(crate) unknown: UnknownFields,
    pub(crate) form: Form,
}

/// Reads what stands in a node, whoever wrote it.
///
/// # Errors
/// `Protocol`, saying what is wrong with it.
pub(crate) fn read(data: &[u8]) -> Result<Read, Error> {
    match Codec::decode(data) {
        Ok(Entry { instance, owner, unknown, codec }) => {
            let form = if codec == Codec::Plain { Form::Plain } else { Form::Json };
            Ok(Read { instance, owner, unknown, form })
        }
        // Ours has a version, which Curator's has not.
        Err(error) => match serde_json::from_slice::<Curator>(data) {
            Ok(curator) => curator.read(),
            Err(_) => Err(error),
        },
    }
}

/// A `ServiceInstance` of Curator's, as its JsonInstanceSerializer writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Curator {
    id: String,
    address: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    ssl_port: Option<u16>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    enabled: Option<bool>,
}

impl Curator {
    /// The port is the plain one, with the TLS one beside it as `ssl`; where there is only that, it is the port.
    fn read(self) -> Result<Read, Error> {
        let bad = |why: &str| Error::new(ErrorKind::Protocol, format!("an instance of Curator's {why}"));
        let port = self.port.or(self.ssl_port).ok_or_else(|| bad("without a port"))?;
        let host = if self.address.contains(':') { format!("[{}]", self.address) } else { self.address };
        let address: Address =
            format!("{host}:{port}").parse().map_err(|error| bad("without an address").with_source(error))?;
        let mut instance = Instance::new(address).with_id(self.id);
        if let (Some(_), Some(ssl)) = (self.port, self.ssl_port) {
            instance = instance.with_port("ssl", ssl);
        }
        if self.enabled == Some(false) {
            instance = instance.with_health(Health::Down);
        }
        instance = with_payload(instance, &self.payload);
        instance.validate().map_err(|error| bad("that can't be called").with_source(error))?;
        Ok(Read { instance, owner: None, unknown: UnknownFields::default(), form: Form::Curator })
    }
}

/// Texts and numbers of a payload become metadata, as do those of a `metadata` in it, which is where Spring Cloud keeps
/// them. Everything else in it is for programs that know its classes.
fn with_payload(instance: Instance, payload: &Value) -> Instance {
    let Value::Object(fields) = payload else {
        return match text(payload) {
            Some(text) => instance.with_metadata("payload", text),
            None => instance,
        };
    };
    let nested = fields.get("metadata").and_then(Value::as_object);
    let pairs = fields.iter().filter(|(key, _)| *key != "@class").chain(nested.into_iter().flatten());
    let fits = |key: &str| !key.is_empty() && !key.chars().any(char::is_control);
    pairs.fold(instance, |instance, (key, value)| match text(value) {
        Some(text) if fits(key) => instance.with_metadata(key.as_str(), text),
        _ => instance,
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curator_writes_is_read() {
        let read = read(
            br#"{"name":"book","id":"9d0b","address":"10.0.0.7","port":8080,"sslPort":8443,"payload":"blue",
            "registrationTimeUTC":1325129459728,"serviceType":"DYNAMIC","uriSpec":{"parts":[]},"enabled":true}"#,
        )
        .unwrap();
        assert_eq!((read.form, read.owner), (Form::Curator, None));
        let instance = read.instance;
        assert_eq!((instance.id(), instance.address().to_string().as_str()), ("9d0b", "10.0.0.7:8080"));
        assert_eq!((instance.ports().get("ssl"), instance.health()), (Some(&8443), Health::Up));
        assert_eq!(instance.metadata().get("payload").map(String::as_str), Some("blue"));
    }

    #[test]
    fn what_spring_cloud_writes_through_curator_is_read() {
        let read = read(
            br#"{"name":"book","id":"x","address":"::1","port":null,"sslPort":8443,
            "payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"book-1",
            "name":"book","metadata":{"zone":"eu","weight":3,"nested":{}}},"enabled":false}"#,
        );
        let instance = read.unwrap().instance;
        assert_eq!((instance.address().to_string().as_str(), instance.ports().len()), ("[::1]:8443", 0));
        assert_eq!(instance.health(), Health::Down);
        let metadata: Vec<_> = instance.metadata().iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(metadata, ["id=book-1", "name=book", "weight=3", "zone=eu"]);
    }

    #[test]
    fn what_go_kit_writes_is_read_as_an_address() {
        let read = read(b"10.0.0.7:8080").unwrap();
        assert_eq!((read.form, read.instance.id()), (Form::Plain, "10.0.0.7:8080"));
    }

    #[test]
    fn what_nobody_writes_says_what_is_wrong() {
        for (data, why) in [
            (&br#"{"id":"x","address":"h"}"#[..], "without a port"),
            (br#"{"id":"x","address":"a b","port":1}"#, "without an address"),
            (br#"{"id":"x","address":"h","port":0}"#, "can't be called"),
            (br#"{"v":1,"#, "not an instance"),
            (b"", "neither JSON nor an address"),
            (b"\xff", "not UTF-8"),
        ] {
            let error = read(data).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
