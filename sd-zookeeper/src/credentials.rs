//! What is shown to ZooKeeper whenever a session is made, read anew from its files each time.

use std::path::PathBuf;

use sd_core::{Error, Secret, read_secret_file};
use zookeeper_client::{Client, Connector, SaslOptions};

use crate::config::ZooKeeperConfig;
use crate::tls::{Pem, TlsFiles};

/// Logins and certificates, or where they stand.
#[derive(Debug)]
pub(crate) struct Credentials {
    auth: Source,
    sasl: Source,
    tls: Option<TlsFiles>,
}

/// A secret, or the file that it stands in.
#[derive(Debug)]
struct Source {
    text: Option<Secret>,
    file: Option<PathBuf>,
}

/// All of it as it is now.
#[derive(Debug)]
pub(crate) struct Shown {
    auth: Option<Secret>,
    sasl: Option<Secret>,
    pub(crate) pem: Option<Pem>,
}

impl Credentials {
    pub(crate) fn of(config: &ZooKeeperConfig) -> Self {
        let identity = config.cert.clone().zip(config.key.clone());
        Self {
            auth: Source { text: config.auth.clone(), file: config.auth_file.clone() },
            sasl: Source { text: config.sasl.clone(), file: config.sasl_file.clone() },
            tls: config.ca.clone().map(|ca| TlsFiles { ca, identity }),
        }
    }

    /// All of it as it is now.
    pub(crate) async fn read(&self) -> Result<Shown, Error> {
        let pem = match &self.tls {
            Some(files) => Some(files.read().await?),
            None => None,
        };
        Ok(Shown { auth: self.auth.read().await?, sasl: self.sasl.read().await?, pem })
    }
}

impl Source {
    async fn read(&self) -> Result<Option<Secret>, Error> {
        let Some(file) = &self.file else { return Ok(self.text.clone()) };
        read_secret_file(file).await.map(Some)
    }
}

impl Shown {
    /// A connector that shows it.
    ///
    /// # Errors
    /// `Config`, retryable where it stands in a file: that may be half-written.
    pub(crate) fn connector(&self) -> Result<Connector, Error> {
        let mut connector = Client::connector();
        if let Some(auth) = &self.auth {
            let (scheme, credentials) = scheme_and_credentials(auth, "auth_file")?;
            connector = connector.with_auth(scheme, credentials.as_bytes());
        }
        if let Some(sasl) = &self.sasl {
            let (user, password) = user_and_password(sasl, "sasl_file")?;
            connector = connector.with_sasl(SaslOptions::digest_md5(user.to_owned(), password.to_owned()));
        }
        if let Some(pem) = &self.pem {
            connector = connector.with_tls(pem.for_client()?);
        }
        Ok(connector)
    }
}

/// `digest:user:password`, taken apart after the scheme.
///
/// # Errors
/// `Config`, without what was given.
pub(crate) fn scheme_and_credentials<'a>(secret: &'a Secret, from: &str) -> Result<(&'a str, &'a str), Error> {
    let parts = secret.expose().split_once(':');
    let complete = |(scheme, credentials): &(&str, &str)| {
        !scheme.is_empty() && !credentials.is_empty() && (*scheme != "digest" || has_user(credentials))
    };
    parts.filter(complete).ok_or_else(|| malformed(from, "digest:user:password"))
}

/// `user:password`, taken apart.
///
/// # Errors
/// `Config`, without what was given.
pub(crate) fn user_and_password<'a>(secret: &'a Secret, from: &str) -> Result<(&'a str, &'a str), Error> {
    let parts = secret.expose().split_once(':').filter(|(user, _)| !user.is_empty());
    parts.ok_or_else(|| malformed(from, "user:password"))
}

fn has_user(credentials: &str) -> bool {
    credentials.split_once(':').is_some_and(|(user, _)| !user.is_empty())
}

fn malformed(from: &str, form: &str) -> Error {
    Error::config(format!("{from}: write {form}")).with_retryable(from.ends_with("_file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_each_time_without_their_line_end() {
        let file = std::env::temp_dir().join(format!("sd-zookeeper-auth-{}", std::process::id()));
        std::fs::write(&file, "digest:u:one\r\n").unwrap();
        let credentials = Credentials::of(&ZooKeeperConfig::new(["h:1"]).auth_file(&file));
        assert_eq!(credentials.read().await.unwrap().auth.unwrap().expose(), "digest:u:one");
        std::fs::write(&file, "hunter2").unwrap();
        let error = credentials.read().await.unwrap().connector().unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("digest:user:password"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        std::fs::remove_file(&file).unwrap();
        let error = credentials.read().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("can't be read"), "{error}");
    }

    #[test]
    fn other_schemes_than_digest_are_taken_as_they_are() {
        let secret = Secret::new("ip:127.0.0.1");
        assert_eq!(scheme_and_credentials(&secret, "auth").unwrap(), ("ip", "127.0.0.1"));
        let secret = Secret::new("digest:u:a:b");
        assert_eq!(scheme_and_credentials(&secret, "auth").unwrap(), ("digest", "u:a:b"));
        assert_eq!(user_and_password(&Secret::new("u:a:b"), "sasl").unwrap(), ("u", "a:b"));
    }

    #[test]
    fn what_is_shown_is_not_printed() {
        let shown = Shown { auth: Some(Secret::new("digest:u:hunter2")), sasl: None, pem: None };
        assert!(!format!("{shown:?}").contains("hunter2"));
    }
}
