//! TLS for the client, and for the questions of our own.

use std::path::PathBuf;
use std::sync::Arc;

use sd_core::{Error, Secret, read_secret_file};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use zookeeper_client::TlsOptions;

/// Where authorities and identity stand.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    pub(crate) ca: PathBuf,
    /// Certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// What stands there now.
#[derive(Debug)]
pub(crate) struct Pem {
    ca: Secret,
    identity: Option<(Secret, Secret)>,
}

impl TlsFiles {
    pub(crate) async fn read(&self) -> Result<Pem, Error> {
        let identity = match &self.identity {
            Some((cert, key)) => Some((read_secret_file(cert).await?, read_secret_file(key).await?)),
            None => None,
        };
        Ok(Pem { ca: read_secret_file(&self.ca).await?, identity })
    }
}

impl Pem {
    /// For the client.
    ///
    /// # Errors
    /// `Config`, retryable: files that are being exchanged heal.
    pub(crate) fn for_client(&self) -> Result<TlsOptions, Error> {
        ensure_crypto_provider();
        let mut options = TlsOptions::new().with_pem_ca(self.ca.expose()).map_err(|error| malformed("ca", error))?;
        if let Some((cert, key)) = &self.identity {
            options = options
                .with_pem_identity(cert.expose(), key.expose())
                .map_err(|error| malformed("cert and key", error))?;
        }
        Ok(options)
    }

    /// For the questions of our own: the same authorities and identity.
    ///
    /// # Errors
    /// `Config`, retryable.
    pub(crate) fn for_questions(&self) -> Result<Arc<ClientConfig>, Error> {
        ensure_crypto_provider();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca.expose().as_bytes()) {
            let certificate = certificate.map_err(|error| malformed("ca", error))?;
            roots.add(certificate).map_err(|error| malformed("ca", error))?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let Some((cert, key)) = &self.identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
        let chain = CertificateDer::pem_slice_iter(cert.expose().as_bytes()).collect::<Result<_, _>>();
        let chain = chain.map_err(|error| malformed("cert", error))?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|error| malformed("key", error))?;
        let config = builder.with_client_auth_cert(chain, key).map_err(|error| malformed("cert and key", error))?;
        Ok(Arc::new(config))
    }
}

/// Whether a certificate can bear the name of this host; the client would panic where it can't.
///
/// # Errors
/// `Config`, naming the host.
pub(crate) fn check_name(host: &str) -> Result<(), Error> {
    match ServerName::try_from(host) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(Error::config(format!("host {host:?}: no certificate can bear this name, so TLS can't be spoken")))
        }
    }
}

/// rustls takes its cryptography from the process, or from the one that is compiled in; where several are (another
/// backend may bring another one) it panics, unless one was chosen. The program's own choice stands, if it made one.
fn ensure_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error says that somebody else has just chosen.
        drop(aws_lc_rs::default_provider().install_default());
    }
}

fn malformed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::config(format!("{what}: it is not the PEM that TLS needs")).with_source(error).with_retryable(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_pem_are_refused_by_name_and_may_heal() {
        let pem = Pem { ca: Secret::new("x"), identity: Some((Secret::new(""), Secret::new("hunter2"))) };
        for error in [pem.for_client().map(drop).unwrap_err(), pem.for_questions().map(drop).unwrap_err()] {
            assert!(error.is_retryable(), "{error}");
            assert!(!format!("{error} {error:?} {pem:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_host_that_no_certificate_can_name_is_refused() {
        for good in ["localhost", "127.0.0.1", "::1", "a_b.example"] {
            check_name(good).unwrap();
        }
        assert!(check_name("-.-").unwrap_err().to_string().contains("-.-"));
    }
}
