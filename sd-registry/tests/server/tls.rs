//! TLS and client certificates.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sd_registry::{Centre, Registry, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::common::Folder;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn write(&self, folder: &Folder, name: &str) -> PathBuf {
        let file = folder.0.join(name);
        std::fs::write(&file, self.0.pem()).unwrap();
        file
    }

    /// Writes a certificate for localhost and its key.
    fn issue(&self, folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = (folder.0.join(format!("{name}.crt")), folder.0.join(format!("{name}.key")));
        std::fs::write(&files.0, certificate.pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

/// The answer to a GET, over TLS; the error of the handshake or of what came after it.
async fn get(
    centre: &Centre,
    authority: &Authority,
    identity: Option<&(PathBuf, PathBuf)>,
) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
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
    let folder = Folder::new("tls");
    let (old, new) = (Authority::new(), Authority::new());
    let (cert, key) = old.issue(&folder, "server");
    let centre = Registry::builder().tls(TlsFiles::new(&cert, &key)).spawn().await.unwrap();
    assert!(centre.http_url().starts_with("https://"));
    assert!(get(&centre, &old, None).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&centre, &new, None).await.is_err(), "its authority is not trusted");
    new.issue(&folder, "server");
    sd_testkit::waiting::eventually("the new certificate is shown", async || get(&centre, &new, None).await.is_ok())
        .await;
    std::fs::write(&cert, "broken").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert!(get(&centre, &new, None).await.is_ok(), "broken files change nothing");
}

#[tokio::test]
async fn with_client_authorities_only_their_certificates_get_in() {
    let folder = Folder::new("mtls");
    let (authority, foreign) = (Authority::new(), Authority::new());
    let (cert, key) = authority.issue(&folder, "server");
    let ca = authority.write(&folder, "ca.crt");
    let centre = Registry::builder().tls(TlsFiles::new(&cert, &key).client_ca(ca)).spawn().await.unwrap();
    let own = authority.issue(&folder, "client");
    assert!(get(&centre, &authority, Some(&own)).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&centre, &authority, None).await.is_err(), "no certificate");
    let other = foreign.issue(&folder, "foreign");
    assert!(get(&centre, &authority, Some(&other)).await.is_err(), "another authority's");
}

#[tokio::test]
async fn files_that_are_wrong_are_named() {
    let folder = Folder::new("wrong-tls");
    let authority = Authority::new();
    let (cert, key) = authority.issue(&folder, "server");
    let (_, other) = authority.issue(&folder, "other");
    let missing = folder.0.join("missing.pem");
    for (files, named) in [
        (TlsFiles::new(&missing, &key), "missing.pem"),
        (TlsFiles::new(&cert, &missing), "missing.pem"),
        (TlsFiles::new(&key, &key), "server.key"),
        (TlsFiles::new(&cert, &other), "don't fit"),
        (TlsFiles::new(&cert, &key).client_ca(&key), "server.key"),
    ] {
        let error = Registry::builder().tls(files).spawn().await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}
