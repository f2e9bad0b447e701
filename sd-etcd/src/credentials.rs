//! What is shown to etcd at every connect, read anew from its files each time.

use std::path::PathBuf;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use sd_core::{Error, Secret, read_credential_file, read_secret_file};

use crate::config::EtcdConfig;

/// User, password and certificates, or where they stand.
#[derive(Debug)]
pub(crate) struct Credentials {
    user: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    tls: bool,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    server_name: Option<String>,
}

impl Credentials {
    pub(crate) fn of(config: &EtcdConfig) -> Self {
        Self {
            user: config.user.clone(),
            password: config.password.clone(),
            password_file: config.password_file.clone(),
            tls: config.tls || config.ca.is_some() || config.cert.is_some(),
            ca: config.ca.clone(),
            identity: config.cert.clone().zip(config.key.clone()),
            server_name: config.server_name.clone(),
        }
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.tls
    }

    /// User and password as they are now.
    pub(crate) async fn user(&self) -> Result<Option<(String, Secret)>, Error> {
        let Some(user) = &self.user else { return Ok(None) };
        let password = match &self.password_file {
            Some(file) => read_secret_file(file).await?,
            None => self.password.clone().unwrap_or_else(|| Secret::new("")),
        };
        Ok(Some((user.clone(), password)))
    }

    /// `options` with TLS, where it is wanted, and certificates as they are now.
    pub(crate) async fn with_tls(&self, options: ConnectOptions) -> Result<ConnectOptions, Error> {
        if !self.tls {
            return Ok(options);
        }
        let mut tls = TlsOptions::new();
        tls = match &self.ca {
            Some(file) => tls.ca_certificate(Certificate::from_pem(read_credential_file(file).await?)),
            None => tls.with_native_roots(),
        };
        if let Some((cert, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(read_credential_file(cert).await?, read_credential_file(key).await?));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        Ok(options.with_tls(tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_file_is_read_each_time_without_its_line_end() {
        let file = std::env::temp_dir().join(format!("sd-etcd-password-{}", std::process::id()));
        std::fs::write(&file, "one\r\n").unwrap();
        let credentials = Credentials::of(&EtcdConfig::new(["h:1"]).password_file("u", &file));
        assert_eq!(credentials.user().await.unwrap().unwrap().1.expose(), "one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(credentials.user().await.unwrap().unwrap().1.expose(), "two");
        std::fs::remove_file(&file).unwrap();
        let error = credentials.user().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("can't be read"), "{error}");
    }
}
