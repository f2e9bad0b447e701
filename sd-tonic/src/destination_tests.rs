//! Tests of where and how an instance is called.

use super::*;
use crate::connector::{Handshake, Wire};
use sd_core::Address;

#[derive(Debug)]
struct Pretended;

impl Security for Pretended {
    fn secure(&self, _wire: tokio::net::TcpStream, _name: &str) -> Handshake {
        Box::pin(async { Err::<Wire, _>("nothing is secured here".into()) })
    }
}

fn instance(address: &str) -> Instance {
    Instance::new(address.parse::<Address>().unwrap())
}

fn of(instance: &Instance, demanded: Option<bool>) -> Result<Destination, Error> {
    let offered = demanded.map(|demanded| (Arc::new(Pretended) as Arc<dyn Security>, demanded));
    Destination::of(instance, None, offered.as_ref())
}

#[test]
fn the_address_is_called_unless_the_metadata_say_another_authority() {
    let plain = of(&instance("[::1]:50052"), None).unwrap();
    assert_eq!((plain.host.as_str(), plain.port, plain.authority.as_str()), ("::1", 50052, "[::1]:50052"));
    assert_eq!((plain.scheme, plain.security.is_some()), (Scheme::HTTP, false));
    let named = instance("10.0.0.1:1").with_metadata("authority", "book.example:443");
    assert_eq!(of(&named, None).unwrap().authority, "book.example:443");
    let channels = Authority::from_static("all.example");
    assert_eq!(Destination::of(&named, Some(&channels), None).unwrap().authority, "book.example:443");
    assert_eq!(Destination::of(&instance("h:1"), Some(&channels), None).unwrap().authority, "all.example");
    assert_eq!(of(&instance("http://h/"), None).unwrap().port, 80);
}

#[test]
fn tls_is_used_where_the_channel_demands_it_or_the_instance_asks() {
    let secured = |address: &str, tls: Option<&str>, demanded| {
        let mut instance = instance(address);
        if let Some(tls) = tls {
            instance = instance.with_metadata("tls", tls);
        }
        of(&instance, demanded).map(|destination| (destination.security.is_some(), destination.scheme)).ok()
    };
    let (yes, no) = (Some((true, Scheme::HTTPS)), Some((false, Scheme::HTTP)));
    assert_eq!(secured("h:1", None, Some(true)), yes);
    assert_eq!(secured("h:1", Some("true"), Some(true)), yes);
    assert_eq!(secured("h:1", Some("false"), Some(true)), None, "a registry must not switch TLS off");
    assert_eq!(secured("http://h:1", None, Some(true)), None);
    assert_eq!(secured("h:1", None, Some(false)), no);
    assert_eq!(secured("h:1", Some("true"), Some(false)), yes);
    assert_eq!(secured("https://h", None, Some(false)), yes);
    assert_eq!(secured("h:1", Some("true"), None), None);
    assert_eq!(secured("h:1", Some("false"), None), no);
}

#[test]
fn what_cannot_be_called_is_named() {
    for (instance, what) in [
        (instance("http://h/api"), "/api"),
        (instance("tcp://h:1"), "tcp://"),
        (instance("h:1").with_metadata("tls", "yes"), "true and false"),
        (instance("h:1").with_metadata("authority", "a b"), "host or host:port"),
        (instance("h:1").with_metadata("authority", "user@h"), "host or host:port"),
    ] {
        let error = of(&instance, Some(false)).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(instance.id()), "{error}");
    }
}
