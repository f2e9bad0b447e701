//! Connects to one host.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use sd_core::{Address, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::config::RegistryConfig;
use super::credentials::Credentials;
use super::error::{Blame, Failure, at, broken};
use super::session::{Session, Spawner, Tasks};
use super::wire::{STATUS, Status};

const OPERATION: &str = "connect";
/// What may be under way to us in one stream, and in all: a snapshot of thousands must not wait for the line's echo.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How connections are made.
#[derive(Debug)]
pub(crate) struct Dialer {
    credentials: Credentials,
    server_name: Option<String>,
    connect_timeout: Duration,
    keep_alive: (Duration, Duration),
    runtime: Handle,
    /// Told when a connection has ended.
    ended: Arc<Notify>,
}

impl Dialer {
    pub(crate) fn of(config: &RegistryConfig, runtime: Handle, ended: Arc<Notify>) -> Self {
        Self {
            credentials: Credentials::of(config),
            server_name: config.server_name.clone(),
            connect_timeout: config.connect_timeout,
            keep_alive: (config.keep_alive, config.keep_alive_timeout),
            runtime,
            ended,
        }
    }

    /// Connects and waits for a first answer, all within the connect timeout. Names are resolved and credentials read
    /// anew.
    pub(crate) async fn dial(&self, endpoint: usize, authority: &str) -> Result<Session, Failure> {
        match tokio::time::timeout(self.connect_timeout, self.dial_unbounded(endpoint, authority)).await {
            Ok(result) => result.map_err(|mut failure| {
                failure.error = at(failure.error, authority);
                failure
            }),
            Err(_) => {
                let message = format!("{authority} did not answer within {:?}", self.connect_timeout);
                Err(Failure::of_endpoint(OPERATION, message))
            }
        }
    }

    async fn dial_unbounded(&self, endpoint: usize, authority: &str) -> Result<Session, Failure> {
        let unusable = |error: Error| Failure::new(error.during(OPERATION), Blame::Nobody);
        let authorization = self.credentials.authorization().await.map_err(unusable)?;
        let tls = self.credentials.tls().await.map_err(unusable)?;
        let stream = TcpStream::connect(authority).await.map_err(|error| broken(OPERATION, &error))?;
        // What is sent is small and wanted at once.
        stream.set_nodelay(true).map_err(|error| broken(OPERATION, &error))?;
        let tasks = Tasks::on(self.runtime.clone());
        let (sender, scheme) = match tls {
            None => (self.greet(stream, &tasks).await?, "http"),
            Some(config) => {
                let name = self.name_of(authority).map_err(unusable)?;
                let connected = TlsConnector::from(config).connect(name, stream).await;
                let stream = connected.map_err(|error| broken(OPERATION, &error))?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(Failure::of_protocol(OPERATION, "it speaks TLS, and not HTTP/2 over it"));
                }
                (self.greet(stream, &tasks).await?, "https")
            }
        };
        let origin = format!("{scheme}://{authority}");
        let session = Session { sender, origin, authorization, endpoint, watches: AtomicUsize::new(0), tasks };
        // That a port is open says little: only an answer tells that somebody is there.
        match session.act::<Status>(Method::GET, STATUS, Bytes::new(), OPERATION).await {
            Err(failure) if failure.blame == Blame::Endpoint => Err(failure),
            // Whoever refuses this is there all the same; what matters is what it says to the request itself.
            _ => Ok(session),
        }
    }

    async fn greet<S>(&self, stream: S, tasks: &Arc<Tasks>) -> Result<http2::SendRequest<super::pool::Body>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (interval, timeout) = self.keep_alive;
        let handshake = http2::Builder::new(Spawner(Arc::downgrade(tasks)))
            .timer(TokioTimer::new())
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout)
            .keep_alive_while_idle(false)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| broken(OPERATION, &error))?;
        let ended = Arc::clone(&self.ended);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the centre broke");
            }
            ended.notify_one();
        });
        Ok(sender)
    }

    /// The name that the certificate must bear.
    fn name_of(&self, authority: &str) -> Result<ServerName<'static>, Error> {
        let host = match &self.server_name {
            Some(name) => name.clone(),
            None => authority.parse::<Address>()?.host(),
        };
        ServerName::try_from(host.clone()).map_err(|error| {
            Error::config(format!("{host:?} is no name that a certificate can bear")).with_source(error)
        })
    }
}
