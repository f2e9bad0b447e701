//! Calls back: to the addresses that were checked, and no further.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::push::rules::PushRules;

const MAX_URL_BYTES: usize = 2_048;
const RESOLVE: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(1);
/// No more of an answer is read than this.
const HEAD: usize = 16 << 10;

/// A URL that may be called, and the addresses that its host had when that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) url: String,
    addresses: Vec<SocketAddr>,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Called {
    Answered(StatusCode),
    /// Nobody was reached, so nothing was sent.
    NotSent(String),
    /// It was sent, or part of it; whether it has arrived is not known.
    Unknown(String),
}

impl Callback {
    /// Resolves and checks a URL that `from` has posted as `field`.
    ///
    /// # Errors
    /// It is none that the centre calls, or not for this one; says why.
    pub(crate) async fn resolve(field: &str, url: &str, from: IpAddr, rules: &PushRules) -> Result<Self, String> {
        if url.contains('@') {
            // Not repeated: it may be a password.
            return Err(format!("{field}: a URL with a user in it is not called"));
        }
        let (host, port) = host_and_port(url).map_err(|why| format!("{field} {url:?}: {why}"))?;
        let found = timeout(RESOLVE, tokio::net::lookup_host((host.as_str(), port))).await;
        let found = found.map_err(|_| format!("{field} {url:?}: {host} could not be resolved within {RESOLVE:?}"))?;
        let found: Vec<_> = found.map_err(|error| format!("{field} {url:?}: {error}"))?.collect();
        let addresses: Vec<_> = found.iter().copied().filter(|found| rules.may_call(found.ip(), from)).collect();
        if addresses.is_empty() {
            let why = "the centre calls back only the address it was called from, and networks that it was told of";
            return Err(format!("{field} {url:?}: {why}"));
        }
        Ok(Self { url: url.to_owned(), addresses })
    }

    /// One request; any answer counts, and no more than its head is read.
    pub(crate) async fn call(&self, method: Method, body: Option<String>, within: Duration) -> Called {
        let deadline = Instant::now() + within;
        let request = match self.request(method, body) {
            Ok(request) => request,
            Err(error) => return Called::NotSent(error.to_string()),
        };
        let stream = match self.connect(deadline).await {
            Ok(stream) => stream,
            Err(why) => return Called::NotSent(why),
        };
        let exchange = async {
            let (mut sender, connection) =
                http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await?;
            let (mut connection, mut answer) = (pin!(connection), pin!(sender.send_request(request)));
            // Dropped with the answer's body unread: the connection ends with this call.
            tokio::select! {
                biased;
                answer = &mut answer => answer,
                _ = &mut connection => answer.await,
            }
        };
        match timeout_at(deadline, exchange).await {
            Ok(Ok(answer)) => Called::Answered(answer.status()),
            Ok(Err(error)) => Called::Unknown(told(&error)),
            Err(_) => Called::Unknown(format!("no answer within {within:?}")),
        }
    }

    fn request(&self, method: Method, body: Option<String>) -> Result<Request<Full<Bytes>>, http::Error> {
        let uri: Uri = self.url.parse()?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let mut request = Request::builder().method(method).uri(target).header(HOST, host).header(CONNECTION, "close");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body.unwrap_or_default().into()))
    }

    async fn connect(&self, deadline: Instant) -> Result<TcpStream, String> {
        let mut why = "no address".to_owned();
        for address in &self.addresses {
            let until = deadline.min(Instant::now() + CONNECT);
            match timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A small request in one write; nothing is lost if it must wait for an acknowledgement.
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Ok(Err(error)) => why = format!("{address}: {error}"),
                Err(_) => why = format!("{address}: no connection in time"),
            }
        }
        Err(why)
    }
}

fn host_and_port(url: &str) -> Result<(String, u16), String> {
    if url.len() > MAX_URL_BYTES {
        return Err(format!("it is longer than {MAX_URL_BYTES} bytes"));
    }
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    if uri.scheme_str() != Some("http") {
        return Err("allowed are http:// URLs".to_owned());
    }
    let authority = uri.authority().ok_or("it has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    Ok((host.to_owned(), authority.port_u16().unwrap_or(80)))
}

fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_called_is_http_on_the_registrants_own_address() {
        let rules = PushRules::default();
        let loopback: IpAddr = [127, 0, 0, 1].into();
        for good in ["http://127.0.0.1:4000/services", "http://localhost:4000", "http://[::1]:1/", "http://127.0.0.1"] {
            let callback = Callback::resolve("HeartbeatURL", good, loopback, &rules).await.unwrap();
            assert!(callback.addresses.iter().all(|address| address.ip().is_loopback()));
        }
        for (bad, why) in [
            ("", "empty"),
            ("localhost:4000", "http://"),
            ("/heartbeat", "http://"),
            ("https://127.0.0.1/", "http://"),
            ("file:///etc/passwd", "HeartbeatURL"),
            ("http://user:secret@127.0.0.1/", "a user"),
            ("http://10.0.0.1:4000/", "called from"),
            ("http://0.0.0.0:4000/", "called from"),
            ("http://[::ffff:10.0.0.1]/", "called from"),
        ] {
            let error = Callback::resolve("HeartbeatURL", bad, loopback, &rules).await.unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let long = format!("http://127.0.0.1/{}", "x".repeat(MAX_URL_BYTES));
        assert!(Callback::resolve("HeartbeatURL", &long, loopback, &rules).await.unwrap_err().contains("2048"));
        let elsewhere: IpAddr = [10, 0, 0, 7].into();
        let error = Callback::resolve("HeartbeatURL", "http://localhost:1/", elsewhere, &rules).await.unwrap_err();
        assert!(error.contains("called from"), "{error}");
    }
}
