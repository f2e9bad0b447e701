//! TLS to instances: whom to trust, and who we are.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sd_core::{BoxError, Error, Secret};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::connector::{Connector, Handshake, Security, Wire};

const HTTP_2: &[u8] = b"h2";

/// TLS to instances: whom to trust, and who we are. Certificates and keys are PEM.
///
/// A server's certificate must bear the [`server_name`](Self::server_name), or without one the host of the calls'
/// authority: of the instance's metadata, of the channel, or the instance's address. Files are read again for every
/// connection, so that they may be rotated.
#[derive(Clone, Default)]
pub struct Tls {
    authorities: Vec<Pem>,
    identity: Option<(Pem, Pem)>,
    server_name: Option<String>,
}

#[derive(Clone)]
enum Pem {
    Given(Secret),
    File(PathBuf),
}

impl Tls {
    /// Trusts the system's authorities, and shows no certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts this authority, and those that were given before it, instead of the system's.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.authorities.push(Pem::Given(Secret::new(pem)));
        self
    }

    /// The same from a file.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities.push(Pem::File(file.into()));
        self
    }

    /// Shows this certificate, with its chain, to servers that ask for one.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.identity = Some((Pem::Given(Secret::new(certificate)), Pem::Given(Secret::new(key))));
        self
    }

    /// The same from files.
    #[must_use]
    pub fn identity_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Pem::File(certificate.into()), Pem::File(key.into())));
        self
    }

    /// The name that every server's certificate must bear, whatever its address and metadata.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Everything as it is now. Reads files.
    fn config(&self) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config("TLS can't be set up").with_source(error))?
            .with_root_certificates(self.roots()?);
        let mut config = match &self.identity {
            Some((certificate, key)) => {
                let pem = certificate.read()?;
                let chain = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect::<Result<Vec<_>, _>>();
                let chain = chain.map_err(|error| certificate.lacks("certificate").with_source(error))?;
                // The error is left out: it might show what it could not read.
                let private = PrivateKeyDer::from_pem_slice(key.read()?.expose().as_bytes())
                    .map_err(|_| key.lacks("private key"))?;
                let fits = builder.with_client_auth_cert(chain, private);
                fits.map_err(|error| certificate.lacks("certificate that fits its key").with_source(error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            // One that can't be read is no reason to trust none of the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::config("TLS: the system has no authorities' certificates; name yours with Tls::ca"));
            }
        }
        for authority in &self.authorities {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(authority.read()?.expose().as_bytes()) {
                let certificate = certificate.map_err(|error| authority.lacks("certificate").with_source(error))?;
                let added = roots.add(certificate);
                added.map_err(|error| authority.lacks("certificate of an authority").with_source(error))?;
            }
            if roots.len() == before {
                return Err(authority.lacks("certificate"));
            }
        }
        Ok(roots)
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(name) = &self.server_name {
            ServerName::try_from(name.as_str())
                .map_err(|error| Error::config(format!("TLS: server name {name:?}")).with_source(error))?;
        }
        self.config().map(|_| ())
    }
}

impl Connector {
    /// Demands TLS of all instances. One whose metadata say `tls=false` is not called: a registry does not switch TLS
    /// off. Reads the files once, to see that they can be used.
    ///
    /// # Errors
    /// `Config` for what is no certificate, key or name.
    pub fn tls(self, tls: Tls) -> Result<Self, Error> {
        tls.check()?;
        Ok(self.secured(Arc::new(tls), true))
    }

    /// Speaks TLS with instances that ask for it, by their metadata `tls=true` or an `https://` address, and with no
    /// others. Whoever can write to the registry decides.
    ///
    /// # Errors
    /// As [`tls`](Self::tls).
    pub fn tls_where_asked(self, tls: Tls) -> Result<Self, Error> {
        tls.check()?;
        Ok(self.secured(Arc::new(tls), false))
    }
}

impl Security for Tls {
    fn secure(&self, wire: TcpStream, name: &str) -> Handshake {
        let (tls, name) = (self.clone(), self.server_name.as_deref().unwrap_or(name).to_owned());
        Box::pin(async move {
            let config = tokio::task::spawn_blocking(move || tls.config()).await??;
            // Brackets belong to the authority, not to the name.
            let name = ServerName::try_from(name.trim_start_matches('[').trim_end_matches(']').to_owned())?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, wire).await?;
            if stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
                return Err(BoxError::from("the server does not offer HTTP/2 over TLS (ALPN h2)"));
            }
            Ok(Box::new(stream) as Wire)
        })
    }
}

impl Pem {
    fn read(&self) -> Result<Secret, Error> {
        match self {
            Self::Given(pem) => Ok(pem.clone()),
            Self::File(file) => std::fs::read_to_string(file)
                .map(Secret::new)
                .map_err(|error| Error::config(format!("TLS: {} can't be read", file.display())).with_source(error)),
        }
    }

    fn lacks(&self, wanted: &str) -> Error {
        Error::config(match self {
            Self::Given(_) => format!("TLS: the PEM that was given holds no {wanted}"),
            Self::File(file) => format!("TLS: {} holds no {wanted}, in PEM", file.display()),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.len())
            .field("identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
