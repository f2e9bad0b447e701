//! Asks the centre: registers and deregisters.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sd_core::{BoxError, Error, ErrorKind, ServiceName, defaults};
use serde::Serialize;
use tokio::net::TcpStream;

use super::listener::OpenFeed;

/// No more is read of what it says.
const MAX_ANSWER_BYTES: usize = 4 << 10;
/// Longer than the 3 s in which the centre promises an answer.
const REQUEST: Duration = defaults::REQUEST_TIMEOUT;

/// The article's `Registration`, field by field.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistrationBody<'a> {
    service_name: &'a str,
    #[serde(rename = "ServiceURL")]
    service_url: &'a str,
    required_services: Vec<&'a str>,
    #[serde(rename = "ServiceUpdateURL")]
    service_update_url: &'a str,
    #[serde(rename = "HeartbeatURL")]
    heartbeat_url: &'a str,
}

/// The centre at `host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Centre {
    pub(crate) authority: String,
}

impl Centre {
    /// Registers, in place of what is registered under this URL: the article's centre would keep both.
    pub(crate) async fn register(
        &self,
        service: &str,
        url: &str,
        requires: &[ServiceName],
        feed: &OpenFeed,
    ) -> Result<(), Error> {
        self.deregister(url).await?;
        let body = RegistrationBody {
            service_name: service,
            service_url: url,
            required_services: requires.iter().map(ServiceName::as_str).collect(),
            service_update_url: &feed.update_url,
            heartbeat_url: &feed.heartbeat_url,
        };
        let body = serde_json::to_string(&body).map_err(|error| failed("register", error))?;
        match self.ask(Method::POST, "application/json", body, "register").await? {
            (StatusCode::OK, _) => Ok(()),
            (status, said) => Err(self.refused(status, &said, "register")),
        }
    }

    /// Deregisters; one that is not there is a success.
    pub(crate) async fn deregister(&self, url: &str) -> Result<(), Error> {
        match self.ask(Method::DELETE, "text/plain", url.to_owned(), "deregister").await? {
            // The article's centre has no other word for a URL that it doesn't know.
            (StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR, _) => Ok(()),
            (status, said) => Err(self.refused(status, &said, "deregister")),
        }
    }

    /// Whether something answers that could be a centre.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        match self.ask(Method::GET, "text/plain", String::new(), "probe").await? {
            (StatusCode::METHOD_NOT_ALLOWED, _) => Ok(()),
            (status, said) => Err(self.refused(status, &said, "probe")),
        }
    }

    fn refused(&self, status: StatusCode, said: &str, operation: &'static str) -> Error {
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Unauthorized,
            404 | 405 | 421 => ErrorKind::Protocol,
            // Bad input, and a receiver that can't be reached just now: the protocol has one word for both.
            _ => ErrorKind::Unavailable,
        };
        let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        let message = format!("{} answered {status}: {}", self.authority, said.trim());
        Error::new(kind, message).with_backend("push").during(operation)
    }

    async fn ask(
        &self,
        method: Method,
        content_type: &'static str,
        body: String,
        operation: &'static str,
    ) -> Result<(StatusCode, String), Error> {
        let asked = self.exchange(method, content_type, body);
        match tokio::time::timeout(REQUEST, asked).await {
            Ok(answer) => answer.map_err(|error| failed(operation, error)),
            Err(_) => Err(failed(operation, format!("no answer within {REQUEST:?}"))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        content_type: &'static str,
        body: String,
    ) -> Result<(StatusCode, String), BoxError> {
        let stream = tokio::time::timeout(defaults::CONNECT_TIMEOUT, TcpStream::connect(&self.authority)).await??;
        let request = Request::builder()
            .method(method)
            .uri("/services")
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, content_type)
            .body(Full::<Bytes>::new(body.into()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let (mut connection, mut answered) = (
            pin!(connection),
            pin!(async {
                let response = sender.send_request(request).await?;
                let status = response.status();
                // A long or broken explanation is none; the status counts.
                let said = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
                let said = said.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
                Ok::<_, BoxError>((status, said))
            }),
        );
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            _ = &mut connection => answered.await,
        }
    }
}

fn failed(operation: &'static str, error: impl Into<BoxError>) -> Error {
    Error::unavailable("the centre can't be reached").with_backend("push").during(operation).with_source(error)
}
