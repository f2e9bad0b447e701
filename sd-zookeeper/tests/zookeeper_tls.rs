//! TLS: one-sided and mutual, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::error::Error as _;

use sd_core::{ErrorKind, Instancer, Probe, Registrar, Registration};
use sd_testkit::authority::Authority;
use sd_testkit::samples::instance;
use sd_testkit::waiting::{soon, until_ids};
use sd_testkit::zookeeper::{ZooKeeperOptions, ZooKeeperServer};
use sd_zookeeper::{NodeAccess, ZooKeeperConfig};

async fn server(test: &str, authority: &Authority, name: &str, mutual: bool) -> Option<ZooKeeperServer> {
    let (certificate, key) = authority.sign(name);
    let options = ZooKeeperOptions::new().tls(&certificate, &key, &authority.ca(), mutual);
    ZooKeeperServer::start_with(test, options).await
}

#[tokio::test]
async fn tls_with_a_private_authority_serves_registrations_and_watches() {
    let authority = Authority::new();
    let Some(server) = server("tls_with_a_private_authority", &authority, "127.0.0.1", false).await else { return };
    let url = format!("zookeeper://{}?ca={}", server.endpoint(), authority.ca().display());
    let registry = ZooKeeperConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    let _kept = soon("registered", registry.register(Registration::new("book", instance("a", 1)))).await.unwrap();
    let mut book = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut book, &["a"]).await;
    let report = soon("probe", registry.probe()).await.unwrap();
    assert!(report.version.starts_with("3."), "asked over TLS: {report:?}");
}

/// What the client calls a timeout, or no hosts, is told apart.
#[tokio::test]
async fn tls_that_fails_says_why() {
    let authority = Authority::new();
    let Some(server) = server("tls_that_fails_says_why", &authority, "127.0.0.1", false).await else { return };
    let other = Authority::new();
    let probed = async |config: ZooKeeperConfig| soon("probe", config.connect().unwrap().probe()).await.unwrap_err();
    let error = probed(ZooKeeperConfig::new([server.endpoint()]).ca(other.ca())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("not trusted"), "{error}");
    assert!(error.source().unwrap().to_string().contains("invalid peer certificate"), "{error:?}");
    let error = probed(ZooKeeperConfig::new([server.endpoint()])).await;
    assert!(error.to_string().contains("a port with TLS"), "{error}");
    let error = probed(ZooKeeperConfig::new([server.address().to_string()]).ca(authority.ca())).await;
    assert!(error.to_string().contains("TLS can't be set up"), "{error}");
}

#[tokio::test]
async fn the_name_in_the_certificate_is_checked() {
    let authority = Authority::new();
    let Some(server) = server("the_name_in_the_certificate", &authority, "localhost", false).await else { return };
    let config = ZooKeeperConfig::new([server.endpoint()]).ca(authority.ca());
    let error = soon("probe", config.connect().unwrap().probe()).await.unwrap_err();
    assert!(error.to_string().contains("not trusted"), "{error}");
    let named = server.endpoint().replace("127.0.0.1", "localhost");
    let config = ZooKeeperConfig::new([named]).ca(authority.ca());
    soon("probe", config.connect().unwrap().probe()).await.unwrap();
}

#[tokio::test]
async fn mutual_tls_lets_in_who_has_a_certificate_and_says_so_to_who_has_none() {
    let authority = Authority::new();
    let Some(server) = server("mutual_tls", &authority, "127.0.0.1", true).await else { return };
    let config = ZooKeeperConfig::new([server.endpoint()]).ca(authority.ca());
    let (certificate, key) = authority.sign("client");
    let known = config.clone().cert(&certificate).key(&key);
    let registry = known.clone().connect().unwrap();
    let _kept = soon("registered", registry.register(Registration::new("book", instance("a", 1)))).await.unwrap();
    // A certificate is a login, too.
    let owned = known.acl(NodeAccess::Creator).chroot("/owned").connect().unwrap();
    let _owned = soon("registered", owned.register(Registration::new("book", instance("a", 1)))).await.unwrap();
    let refusal = server.operator().delete("/owned/book/a").await;
    assert_eq!(refusal, Err(sd_testkit::zookeeper::Refusal::NO_AUTH));
    // None, and another authority's.
    let error = soon("probe", config.clone().connect().unwrap().probe()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // Files are read whenever a session is made: one that is exchanged is taken up.
    let stranger = Authority::new();
    let (other_certificate, other_key) = stranger.sign("client");
    let exchanged = config.cert(&other_certificate).key(&other_key).connect().unwrap();
    let error = soon("probe", exchanged.probe()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    std::fs::copy(&certificate, &other_certificate).unwrap();
    std::fs::copy(&key, &other_key).unwrap();
    soon("probe", exchanged.probe()).await.unwrap();
}
