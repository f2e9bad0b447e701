//! TLS and client certificates.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sd_registry::{Centre, Registry, TlsFiles};
use sd_testkit::authority::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// The answer to a GET, over TLS; the error of the handshake or of what came after it.
async fn get(
    centre: &Centre,
    authority: &Authority,
    identity: Option<&(PathBuf, PathBuf)>,
) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    let stream = tokio::net::TcpStream::connect(centre.local_addr()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn it_speaks_tls_and_reads_a_new_certificate_when_it_changes() {
    let (old, new) = (Authority::new(), Authority::new());
    let (cert, key) = old.sign("localhost");
    let centre = Registry::builder().tls(TlsFiles::new(&cert, &key)).spawn().await.unwrap();
    assert!(centre.http_url().starts_with("https://"));
    assert!(get(&centre, &old, None).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&centre, &new, None).await.is_err(), "its authority is not trusted");
    let (new_cert, new_key) = new.sign("localhost");
    std::fs::copy(new_cert, &cert).unwrap();
    std::fs::copy(new_key, &key).unwrap();
    sd_testkit::waiting::eventually("the new certificate is shown", async || get(&centre, &new, None).await.is_ok())
        .await;
    std::fs::write(&cert, "broken").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert!(get(&centre, &new, None).await.is_ok(), "broken files change nothing");
}

#[tokio::test]
async fn with_client_authorities_only_their_certificates_get_in() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let (cert, key) = authority.sign("localhost");
    let centre = Registry::builder().tls(TlsFiles::new(&cert, &key).client_ca(authority.ca())).spawn().await.unwrap();
    let own = authority.sign("client");
    assert!(get(&centre, &authority, Some(&own)).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&centre, &authority, None).await.is_err(), "no certificate");
    let other = foreign.sign("client");
    assert!(get(&centre, &authority, Some(&other)).await.is_err(), "another authority's");
}

#[tokio::test]
async fn files_that_are_wrong_are_named() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("localhost");
    let (_, other) = authority.sign("other");
    let missing = authority.ca().with_file_name("missing.pem");
    for (files, named) in [
        (TlsFiles::new(&missing, &key), "missing.pem"),
        (TlsFiles::new(&cert, &missing), "missing.pem"),
        (TlsFiles::new(&key, &key), "localhost.key"),
        (TlsFiles::new(&cert, &other), "don't fit"),
        (TlsFiles::new(&cert, &key).client_ca(&key), "localhost.key"),
    ] {
        let error = Registry::builder().tls(files).spawn().await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}
