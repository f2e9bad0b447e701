//! TLS to instances, and certificates shown to them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use common::{EchoClient, TestServer, builder, left_out};
use sd_core::{FixedInstancer, Instance, LeftOut};
use sd_testkit::authority::Authority;
use sd_testkit::waiting::eventually;
use sd_tonic::{Connector, Tls};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

fn read(file: &std::path::Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// A server whose certificate bears `name`, and that asks for one where `mutual`.
fn server(authority: &Authority, name: &str, mutual: bool) -> TestServer {
    // tonic's server takes the process's, and panics where several are compiled in and none was chosen, as a build of the
    // whole workspace has it. An error says that another test has chosen.
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let (certificate, key) = authority.sign(name);
    let mut config = ServerTlsConfig::new().identity(Identity::from_pem(read(&certificate), read(&key)));
    if mutual {
        config = config.client_ca_root(Certificate::from_pem(read(&authority.ca())));
    }
    let builder = Server::builder().tls_config(config).unwrap();
    TestServer::start_with(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::default(), builder)
}

/// Calls `instance`; the reason if it can't be connected to.
async fn call(instance: Instance, connector: Connector) -> Result<(), String> {
    let channel = builder(&FixedInstancer::new([instance])).connector(connector).connect().unwrap();
    eventually("it is decided", async || !channel.endpoints().load().is_undecided()).await;
    let status = match EchoClient::new(channel.clone()).unary("who".to_owned()).await {
        Ok(_) => return Ok(()),
        Err(status) => status,
    };
    assert!(left_out(&channel).values().all(|why| matches!(why, LeftOut::Unconnected(_) | LeftOut::Connecting)));
    Err(status.message().to_owned())
}

fn trusting(authority: &Authority) -> Tls {
    Tls::new().ca_file(authority.ca())
}

#[tokio::test]
async fn the_certificate_must_bear_the_instances_name() {
    let authority = Authority::new();
    let server = server(&authority, "book.example", false);
    let instance = Instance::new(server.address);
    let demanding = |tls: Tls| Connector::new().tls(tls).unwrap();
    let named = instance.clone().with_metadata("authority", "book.example:443");
    call(named.clone(), demanding(trusting(&authority))).await.unwrap();
    call(instance.clone(), demanding(trusting(&authority).server_name("book.example"))).await.unwrap();
    call(instance.clone(), demanding(trusting(&authority)).authority("book.example").unwrap()).await.unwrap();
    let error = call(instance, demanding(trusting(&authority))).await.unwrap_err();
    assert!(error.contains(&server.name()) && error.contains("certificate"), "{error}");
    let stranger = call(named, demanding(trusting(&Authority::new()))).await.unwrap_err();
    assert!(stranger.contains("UnknownIssuer") || stranger.contains("certificate"), "{stranger}");
}

#[tokio::test]
async fn one_that_asks_is_shown_a_certificate_which_may_be_rotated() {
    let authority = Authority::new();
    let server = server(&authority, "127.0.0.1", true);
    let instance = Instance::new(server.address).with_metadata("tls", "true");
    call(instance.clone(), Connector::new().tls_where_asked(trusting(&authority)).unwrap()).await.unwrap_err();
    let (certificate, key) = authority.sign("client");
    let connector = Connector::new().tls_where_asked(trusting(&authority).identity_files(&certificate, &key)).unwrap();
    call(instance.clone(), connector.clone()).await.unwrap();
    let given = Tls::new().ca(read(&authority.ca())).identity(read(&certificate), read(&key));
    call(instance.clone(), Connector::new().tls(given).unwrap()).await.unwrap();
    std::fs::write(&certificate, "half-written").unwrap();
    let error = call(instance.clone(), connector.clone()).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let _ = authority.sign("client");
    call(instance, connector).await.unwrap();
}

#[tokio::test]
async fn what_asks_for_tls_is_not_called_without_and_the_reverse() {
    let plain = TestServer::start();
    let authority = Authority::new();
    let instance = Instance::new(plain.address);
    let error = call(instance.clone().with_metadata("tls", "true"), Connector::new()).await.unwrap_err();
    assert!(error.contains("asks for TLS"), "{error}");
    let demanding = Connector::new().tls(trusting(&authority)).unwrap();
    let error = call(instance.clone().with_metadata("tls", "false"), demanding.clone()).await.unwrap_err();
    assert!(error.contains("demands TLS"), "{error}");
    call(instance.clone(), demanding).await.unwrap_err();
    call(instance, Connector::new().tls_where_asked(trusting(&authority)).unwrap()).await.unwrap();
}

#[test]
fn what_is_no_certificate_is_refused_at_once_and_a_key_is_never_shown() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("client");
    let refused = |tls: Tls| Connector::new().tls(tls).unwrap_err().to_string();
    assert!(refused(Tls::new().ca("nonsense")).contains("no certificate"));
    assert!(refused(Tls::new().ca_file("/no/such/file")).contains("/no/such/file"));
    assert!(refused(trusting(&authority).identity_files(&certificate, &certificate)).contains("no private key"));
    assert!(refused(trusting(&authority).identity(read(&certificate), "secret")).contains("no private key"));
    assert!(refused(trusting(&authority).server_name("a b")).contains("a b"));
    let other = authority.sign("other").1;
    assert!(refused(trusting(&authority).identity_files(&certificate, other)).contains("fits its key"));
    let tls = trusting(&authority).identity(read(&certificate), read(&key));
    let secret = read(&key).lines().nth(1).unwrap().to_owned();
    assert!(!format!("{tls:?} {:?}", Connector::new().tls(tls.clone()).unwrap()).contains(&secret));
}
