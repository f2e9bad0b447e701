//! Whether the program answers: by a connection, or by its health URL.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use sd_core::{BoxError, Instance};
use tokio::net::TcpStream;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// A URL that answers a 2xx when the program is ready.
#[derive(Clone, Debug)]
pub(crate) struct HealthUrl(Uri);

impl FromStr for HealthUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || "allowed is http://host:port/path".to_owned();
        let uri: Uri = text.parse().map_err(|_| allowed())?;
        let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if is_http && !has_user { Ok(Self(uri)) } else { Err(allowed()) }
    }
}

/// What is asked.
pub(crate) enum Answering {
    Port(String),
    Health(Uri),
}

impl fmt::Display for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(authority) => f.write_str(authority),
            Self::Health(uri) => uri.fmt(f),
        }
    }
}

impl Answering {
    pub(crate) fn new(instance: &Instance, health: Option<HealthUrl>) -> Self {
        match health {
            Some(HealthUrl(uri)) => Self::Health(uri),
            None => Self::Port(instance.address().authority()),
        }
    }

    /// # Errors
    /// When somebody answers before the program was started: it could not be told from the program.
    pub(crate) async fn nobody_yet(&self) -> Result<(), BoxError> {
        match self.asked().await {
            Ok(()) => Err(format!("something answers at {self} already, before the program was started").into()),
            Err(_) => Ok(()),
        }
    }

    /// Asks until it answers.
    pub(crate) async fn answers(&self) {
        while self.asked().await.is_err() {
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn asked(&self) -> Result<(), BoxError> {
        match self {
            Self::Port(authority) => bounded(async { Ok(TcpStream::connect(authority).await.map(drop)?) }).await,
            Self::Health(uri) => bounded(healthy(uri)).await,
        }
    }
}

async fn bounded(asked: impl Future<Output = Result<(), BoxError>> + Send) -> Result<(), BoxError> {
    tokio::time::timeout(ATTEMPT, asked).await?
}

async fn healthy(uri: &Uri) -> Result<(), BoxError> {
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(format!("{host}:{port}")).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path).header(HOST, host).header(CONNECTION, "close").body(String::new())?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer?,
        // It may have brought the answer with its end.
        _ = connection => answer.await?,
    };
    if answer.status().is_success() {
        return Ok(());
    }
    Err(io::Error::other(format!("it answers {}", answer.status())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_url_is_http_with_a_host_and_no_password() {
        for good in ["http://127.0.0.1:8080/healthz", "http://[::1]:80/", "http://localhost/?ready"] {
            good.parse::<HealthUrl>().unwrap();
        }
        for bad in ["https://h/", "127.0.0.1:8080", "/healthz", "http://", "", "http://u:p@h/"] {
            assert!(bad.parse::<HealthUrl>().unwrap_err().contains("http://host:port/path"), "{bad}");
        }
    }
}
