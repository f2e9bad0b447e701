//! A question of our own to one host: is a ZooKeeper there, does it serve, and if not, what is in the way?
//!
//! The client says of a host that refuses, of one whose name nobody knows, of one that speaks no TLS and of one that is
//! mute one and the same: nothing. So they are asked by ourselves, with the four-letter word that servers answer even
//! where all words are switched off (their own scripts need it).

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Address, Error, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error as TlsError};

use crate::error::error;

const WORD: &[u8] = b"srvr";
/// More than any answer; what a host sends that is no ZooKeeper is not read without end.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Empty where the word is switched off.
    pub(crate) version: String,
}

/// Asks `host`, by `bound` at the latest.
///
/// # Errors
/// What is in the way, naming the host: a name that nobody knows, a refusal, silence, TLS, a server that does not serve.
pub(crate) async fn ask(
    host: &str,
    tls: Option<&Arc<ClientConfig>>,
    bound: Duration,
    operation: &'static str,
) -> Result<Answer, Error> {
    let deadline = Instant::now() + bound;
    let unavailable = |why: &str| error(ErrorKind::Unavailable, operation, format!("{host}: {why}"));
    let address: Address = host.parse()?;
    let (name, port) = (address.host(), address.port().unwrap_or_default());
    let resolved = timeout_at(deadline, tokio::net::lookup_host((name.as_str(), port))).await;
    let resolved = resolved.map_err(|_| unavailable("the name is not resolved in time"))?;
    let resolved = resolved.map_err(|cause| unavailable("the name can't be resolved").with_source(cause))?;
    let addresses: Vec<_> = resolved.collect();
    let connected = timeout_at(deadline, TcpStream::connect(&*addresses)).await;
    let connected = connected.map_err(|_| unavailable(&format!("no connection within {bound:?}")))?;
    let stream = connected.map_err(|cause| unavailable("it can't be connected to").with_source(cause))?;
    let Some(config) = tls else {
        let answered = timeout_at(deadline, converse(stream)).await;
        // A port with TLS waits for more than the four letters before it sees that they are no handshake.
        let mute = || format!("it takes the connection, and is mute for {bound:?}: a port with TLS, perhaps");
        let answered = answered.map_err(|_| unavailable(&mute()))?;
        let answer = answered.map_err(|cause| unavailable("the connection broke").with_source(cause))?;
        return understood(&answer).map_err(unavailable);
    };
    let refused = |cause: std::io::Error| tls_failure(host, operation, cause);
    let name = ServerName::try_from(name).map_err(|_| unavailable("no certificate can bear this name"))?;
    let shaken = timeout_at(deadline, TlsConnector::from(Arc::clone(config)).connect(name, stream)).await;
    let shaken = shaken.map_err(|_| unavailable(&format!("the TLS handshake is not answered within {bound:?}")))?;
    // TLS 1.3 refuses a certificate after the handshake, when the first answer is read.
    let answered = timeout_at(deadline, converse(shaken.map_err(refused)?)).await;
    let answered = answered.map_err(|_| unavailable(&format!("it speaks TLS, and is mute for {bound:?}")))?;
    understood(&answered.map_err(refused)?).map_err(unavailable)
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> std::io::Result<String> {
    stream.write_all(WORD).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await {
        // ZooKeeper ends a TLS connection without saying goodbye.
        Err(cause) if answer.is_empty() => return Err(cause),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// # Errors
/// Why it is no ZooKeeper that serves.
fn understood(answer: &str) -> Result<Answer, &'static str> {
    if let Some(rest) = answer.strip_prefix("Zookeeper version: ") {
        // The commit it was built from is of no use to anybody here.
        let version = rest.split(['-', ',', '\n']).next().unwrap_or_default().trim();
        return Ok(Answer { version: version.to_owned() });
    }
    if answer.contains("not in the whitelist") {
        return Ok(Answer { version: String::new() });
    }
    if answer.contains("not currently serving requests") {
        return Err("the server is there and does not serve: it has no quorum, or is starting");
    }
    if answer.is_empty() {
        return Err("it ended the connection unanswered: a port with TLS, perhaps, or none of ZooKeeper's");
    }
    Err("what answers there is no ZooKeeper")
}

/// TLS that can't be set up; a certificate of ours that is refused does not heal by itself.
fn tls_failure(host: &str, operation: &'static str, cause: std::io::Error) -> Error {
    let alert = cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let (kind, why) = match alert {
        Some(TlsError::AlertReceived(alert)) if format!("{alert:?}").contains("ertificate") => {
            (ErrorKind::Unauthorized, "it refuses our certificate (cert and key)")
        }
        Some(TlsError::InvalidCertificate(_)) => (ErrorKind::Unavailable, "its certificate is not trusted"),
        _ => (ErrorKind::Unavailable, "TLS can't be set up; it may want none, or a client certificate (cert and key)"),
    };
    error(kind, operation, format!("{host}: {why}")).with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_kind_are_understood() {
        let answer = understood("Zookeeper version: 3.8.0-5, built by debian\nLatency min/avg/max: 0/0.0/0\n");
        assert_eq!(answer, Ok(Answer { version: "3.8.0".to_owned() }));
        let answer = understood("srvr is not executed because it is not in the whitelist.\n");
        assert_eq!(answer, Ok(Answer { version: String::new() }));
        assert!(
            understood("This ZooKeeper instance is not currently serving requests\n").unwrap_err().contains("quorum")
        );
        assert!(understood("").unwrap_err().contains("unanswered"));
        assert!(understood("HTTP/1.1 400 Bad Request").unwrap_err().contains("no ZooKeeper"));
    }
}
