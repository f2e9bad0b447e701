//! Serves one connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::http::guard::Peer;

/// TLS has to be agreed on within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first request has to arrive within this time.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// An HTTP/1 connection without a request is closed after this time: longer than clients keep one in their pools.
const IDLE: Duration = Duration::from_secs(120);
/// The other end is asked whether it lives when nothing was heard for so long.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What is sent has to be taken within this time: a reader that is gone or stands still frees its place.
const SEND_WITHIN: Duration = Duration::from_secs(60);
/// One HTTP/2 connection carries so many requests and watches at once.
const STREAMS: u32 = 10_000;
/// A request's head fits into this, and no watch holds more.
const BUFFER: usize = 64 << 10;

/// Serves until the other end closes, does not behave, or the centre stops.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
) {
    configure(&stream);
    match acceptor {
        None => speak(stream, peer, router, stopping).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, peer, router, stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS could be agreed on"),
            Err(_) => tracing::debug!("TLS was not agreed on in time"),
        },
    }
}

async fn speak<S>(stream: S, peer: Peer, router: Router, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Relaxed);
        answer(router.clone(), request, peer)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER);
    let http2 = &mut builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    http2.max_send_buf_size(BUFFER);
    http2.max_concurrent_streams(STREAMS).max_header_list_size(u32::try_from(BUFFER).unwrap_or(u32::MAX));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut patience = pin!(tokio::time::sleep(FIRST_REQUEST));
    let mut waiting = true;
    let result = loop {
        tokio::select! {
            result = connection.as_mut() => break result,
            () = &mut patience, if waiting => {
                if !has_asked.load(Relaxed) {
                    return;
                }
                waiting = false;
            }
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Resolves once the centre stops, or is gone. Cancel safe.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

async fn answer(router: Router, request: Request<Incoming>, peer: Peer) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}

/// Makes the kernel notice what has silently gone.
fn configure(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 2);
    let mut set = stream.set_nodelay(true);
    set = set.and(socket.set_tcp_keepalive(&keepalive));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        set = set.and(socket.set_tcp_user_timeout(Some(SEND_WITHIN)));
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        // Elsewhere it is the retransmission limit of the system that notices.
        let _ = SEND_WITHIN;
    }
    if let Err(error) = set {
        tracing::debug!(%error, "a socket takes no options; it has been closed, most likely");
    }
}
