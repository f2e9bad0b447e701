//! TLS: one-sided and mutual, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use sd_core::{ErrorKind, Instancer, Probe, Registrar, Registration};
use sd_etcd::EtcdConfig;
use sd_testkit::authority::Authority;
use sd_testkit::etcd::{EtcdOptions, EtcdServer};
use sd_testkit::samples::instance;
use sd_testkit::waiting::{soon, until_ids};

#[tokio::test]
async fn tls_with_a_private_authority_serves_registrations_and_watches() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let options = EtcdOptions::new().tls(&certificate, &key, None);
    let Some(server) = EtcdServer::start_with("tls_with_a_private_authority", options).await else { return };
    let url = format!("etcd://{}?ca={}", server.endpoint(), authority.ca().display());
    let registry = EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    let _kept = soon("registered", registry.register(Registration::new("book", instance("a", 1)))).await.unwrap();
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut book, &["a"]).await;
    // Another authority, the system's, or none at all: no.
    let other = Authority::new();
    for (config, what) in [
        (EtcdConfig::new([server.endpoint()]).ca(other.ca()), "another authority"),
        (EtcdConfig::new([server.endpoint()]).tls(true), "the system's authorities"),
        (EtcdConfig::new([server.endpoint()]), "no TLS"),
    ] {
        let error = config.connect().unwrap().probe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}");
    }
}

#[tokio::test]
async fn the_name_in_the_certificate_is_checked_and_can_be_said() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("etcd.example");
    let options = EtcdOptions::new().tls(&certificate, &key, None);
    let Some(server) = EtcdServer::start_with("the_name_in_the_certificate", options).await else { return };
    let config = EtcdConfig::new([server.endpoint()]).ca(authority.ca());
    config.clone().connect().unwrap().probe().await.unwrap_err();
    config.server_name("etcd.example").connect().unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn mutual_tls_lets_in_who_has_a_certificate_and_says_so_to_who_has_none() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let options = EtcdOptions::new().tls(&certificate, &key, Some(&authority.ca()));
    let Some(server) = EtcdServer::start_with("mutual_tls", options).await else { return };
    let config = EtcdConfig::new([server.endpoint()]).ca(authority.ca());
    let (certificate, key) = authority.sign("client");
    let known = config.clone().cert(&certificate).key(&key).connect().unwrap();
    let _kept = soon("registered", known.register(Registration::new("book", instance("a", 1)))).await.unwrap();
    // The alert gets lost at times; some attempt hears it.
    let nameless = config.clone().connect().unwrap();
    let refused = soon("refused", nameless.register(Registration::new("book", instance("b", 1)))).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unauthorized);
    // Files are read at every connect: one that is exchanged is taken up.
    let stranger = Authority::new();
    let (other_certificate, other_key) = stranger.sign("client");
    let exchanged = config.cert(&other_certificate).key(&other_key).connect().unwrap();
    exchanged.probe().await.unwrap_err();
    std::fs::copy(&certificate, &other_certificate).unwrap();
    std::fs::copy(&key, &other_key).unwrap();
    exchanged.probe().await.unwrap();
}
