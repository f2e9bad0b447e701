//! TLS: files that are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sd_core::{BoxError, Error};
use tokio_rustls::TlsAcceptor;

/// The files of a TLS server, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// The certificate with those that lead to its authority, and its private key. Read again when they change.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into(), client_ca: None }
    }

    /// Lets only those in who show a certificate of these authorities.
    #[must_use]
    pub fn client_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(file.into());
        self
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key].into_iter().chain(&self.client_ca).map(PathBuf::as_path)
    }

    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let stamp = |file: &Path| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        self.all().map(stamp).collect()
    }
}

/// What accepts TLS connections now.
pub(crate) struct Tls {
    files: TlsFiles,
    stamps: RwLock<Vec<Option<(SystemTime, u64)>>>,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// `Config`, naming the file.
    pub(crate) fn read(files: TlsFiles) -> Result<Self, Error> {
        let stamps = files.stamps();
        let config = load(&files)?;
        Ok(Self { files, stamps: RwLock::new(stamps), config: RwLock::new(Arc::new(config)) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads the files again if one has changed; files that are wrong change nothing. Blocks.
    pub(crate) fn refresh(&self) {
        let stamps = self.files.stamps();
        if stamps == *self.stamps.read().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        match load(&self.files) {
            Ok(config) => {
                tracing::info!("the certificates were read again");
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the certificates can't be read again: those in use stay");
            }
        }
        *self.stamps.write().unwrap_or_else(PoisonError::into_inner) = stamps;
    }
}

fn load(files: &TlsFiles) -> Result<ServerConfig, Error> {
    let failed = |file: &Path, what: &str, error: BoxError| {
        Error::config(format!("{}: {what}", file.display())).with_source(error)
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.cert, "TLS can't be set up", error.into()))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| failed(file, "not an authority", error.into()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| failed(file, "no authorities to trust", error.into()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| failed(&files.key, "no private key in PEM", error.to_string().into()))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.cert, "certificate and key don't fit", error.into()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |error: rustls_pki_types::pem::Error| {
        Error::config(format!("{}: no certificates in PEM", file.display())).with_source(error.to_string())
    };
    let found = CertificateDer::pem_file_iter(file).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(Error::config(format!("{}: no certificates in PEM", file.display())));
    }
    Ok(found)
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
