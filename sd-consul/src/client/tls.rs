//! TLS to Consul: rustls, the authorities and the certificate read anew whenever a client is made.

use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder, Identity};
use sd_core::{Error, read_credential_file};

/// Where certificates stand, and whom the server must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// `builder` with TLS as the files say now.
    pub(crate) async fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        // rustify brings OpenSSL along; without this word reqwest would use it.
        let mut builder = builder.use_rustls_tls().tls_built_in_root_certs(false);
        for authority in self.authorities().await? {
            builder = builder.add_root_certificate(authority);
        }
        if let Some((certificate, key)) = &self.identity {
            let mut pem = read_credential_file(certificate).await?;
            pem.push(b'\n');
            pem.extend(read_credential_file(key).await?);
            builder = builder.identity(Identity::from_pem(&pem).map_err(|error| {
                let files = format!("{} and {}", certificate.display(), key.display());
                Error::config(format!("{files}: not a certificate and its private key in PEM"))
                    .with_source(error)
                    .with_retryable(true)
            })?);
        }
        Ok(builder)
    }

    async fn authorities(&self) -> Result<Vec<Certificate>, Error> {
        let Some(file) = &self.ca else { return system_authorities().await };
        let bad = |why: &str| Error::config(format!("{}: {why}", file.display())).with_retryable(true);
        let read = Certificate::from_pem_bundle(&read_credential_file(file).await?);
        let authorities = read.map_err(|error| bad("no certificates in PEM").with_source(error))?;
        if authorities.is_empty() {
            return Err(bad("no certificate stands in it"));
        }
        Ok(authorities)
    }
}

/// The operating system's; reqwest would take a list that was compiled in.
async fn system_authorities() -> Result<Vec<Certificate>, Error> {
    let failed =
        |why: String| Error::config(format!("the system's authorities can't be read: {why}")).with_retryable(true);
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.certs.is_empty() {
        return Err(failed(found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string)));
    }
    // One that rustls can't use must not keep out the others.
    Ok(found.certs.iter().filter_map(|certificate| Certificate::from_der(certificate).ok()).collect())
}

/// Lets the URL hold the name that the certificate must bear, while it is the agent that is dialled: what `authority`,
/// `host:port`, stands for now.
pub(crate) async fn named(builder: ClientBuilder, name: &str, authority: &str) -> Result<ClientBuilder, Error> {
    let found = tokio::net::lookup_host(authority).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| Error::unavailable(format!("{authority}: its name can't be resolved")).with_source(error))?
        .collect();
    Ok(builder.resolve_to_addrs(name, &found))
}
