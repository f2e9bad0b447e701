//! What is shown to the centre at every connect, read anew from its files each time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sd_core::{Error, ErrorKind, Secret, read_credential_file, read_secret_file};

use super::config::RegistryConfig;

/// Token and certificates, or where they stand.
#[derive(Debug)]
pub(crate) struct Credentials {
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    tls: bool,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Credentials {
    pub(crate) fn of(config: &RegistryConfig) -> Self {
        Self {
            token: config.token.clone(),
            token_file: config.token_file.clone(),
            tls: config.tls || config.ca.is_some() || config.cert.is_some(),
            ca: config.ca.clone(),
            identity: config.cert.clone().zip(config.key.clone()),
        }
    }

    /// The header that carries the token, as it is now.
    pub(crate) async fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        let token = match (&self.token_file, &self.token) {
            (Some(file), _) => {
                let token = read_secret_file(file).await?;
                if !is_token(token.expose()) {
                    return Err(no_token(file));
                }
                token
            }
            (None, Some(token)) => token.clone(),
            (None, None) => return Ok(None),
        };
        let mut header = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Error::config("the token: allowed are visible ASCII characters, no blank"))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    /// How TLS is spoken, with certificates as they are now; `None` without TLS.
    pub(crate) async fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Error> {
        if !self.tls {
            return Ok(None);
        }
        let roots = match &self.ca {
            Some(file) => authorities_of(file, &read_credential_file(file).await?)?,
            None => system_authorities().await?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config("TLS can't be set up").with_source(error))?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some((cert, key)) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(&read_credential_file(cert).await?).collect();
                let chain = chain.map_err(|error| unusable(cert, "certificate").with_source(error))?;
                let private = PrivateKeyDer::from_pem_slice(&read_credential_file(key).await?)
                    .map_err(|_| unusable(key, "private key, in PEM"))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| unusable(cert, "certificate that fits its key").with_source(error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Some(Arc::new(config)))
    }
}

/// Whether a header can carry it.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn authorities_of(file: &Path, pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| unusable(file, "certificate").with_source(error))?;
        roots.add(certificate).map_err(|error| unusable(file, "certificate of an authority").with_source(error))?;
    }
    if roots.is_empty() {
        return Err(unusable(file, "certificate"));
    }
    Ok(roots)
}

async fn system_authorities() -> Result<RootCertStore, Error> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found =
        found.map_err(|error| Error::unavailable("the system's certificates can't be read").with_source(error))?;
    let mut roots = RootCertStore::empty();
    // One that can't be read is no reason to trust none of the others.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            Error::config("the system has no certificates; name your authority's with ca=").with_retryable(true)
        );
    }
    Ok(roots)
}

/// Retryable: a file that is half-written heals.
fn unusable(file: &Path, wanted: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{}: it holds no {wanted}", file.display())).with_retryable(true)
}

fn no_token(file: &Path) -> Error {
    unusable(file, "token (visible ASCII characters, no blank)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_file_is_read_each_time_without_its_line_end_and_never_shown() {
        let file = std::env::temp_dir().join(format!("sd-registry-token-{}", std::process::id()));
        let credentials = Credentials::of(&RegistryConfig::new(["h:1"]).token_file(&file));
        for (written, expected) in [("one\r\n", "Bearer one"), ("two", "Bearer two")] {
            std::fs::write(&file, written).unwrap();
            let header = credentials.authorization().await.unwrap().unwrap();
            assert_eq!(header.to_str().unwrap(), expected);
            assert_eq!(format!("{header:?}"), "Sensitive");
        }
        std::fs::write(&file, "hunter2 \n").unwrap();
        let error = credentials.authorization().await.unwrap_err();
        assert!(error.is_retryable() && !format!("{error:?}").contains("hunter2"), "{error:?}");
        std::fs::remove_file(&file).unwrap();
        let error = credentials.authorization().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("can't be read"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_half_written_is_tried_again() {
        let file = std::env::temp_dir().join(format!("sd-registry-ca-{}", std::process::id()));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
        let error = Credentials::of(&RegistryConfig::new(["h:1"]).ca(&file)).tls().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("holds no"), "{error}");
        std::fs::remove_file(&file).unwrap();
    }
}
