//! Making one connection: TCP, TLS where asked for, HTTP/2, and the server's greeting.

use std::sync::Arc;

use h2::Reason;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use sd_core::{BoxError, Instance};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::{Connection, Ended};
use crate::connector::{Settings, Wire};
use crate::destination::Destination;
use crate::driving::{Driving, Inside};
use crate::failure::h2_error;
use crate::greeting::Greeting;

/// Connects. Host names are resolved each time. Whoever calls bounds the time.
///
/// # Errors
/// What is in the way.
///
/// # Cancel safety
/// A dial that is dropped leaves nothing behind.
pub(crate) async fn dial(settings: Settings, instance: Arc<Instance>) -> Result<Connection, BoxError> {
    let offered = settings.security.as_ref();
    let destination = Destination::of(&instance, settings.authority.as_ref(), offered)?;
    let tcp = TcpStream::connect((destination.host.as_str(), destination.port)).await?;
    // A call is a few small frames, and waits for each of them.
    tcp.set_nodelay(true)?;
    let wire: Wire = match &destination.security {
        Some(security) => security.secure(tcp, destination.authority.host()).await?,
        None => Box::new(tcp),
    };
    let (wire, greeted) = Greeting::new(wire);

    let inside = Inside::default();
    let mut builder = Builder::new(inside.clone());
    builder.timer(TokioTimer::new());
    let (stream_window, connection_window) = settings.windows;
    builder.initial_stream_window_size(stream_window).initial_connection_window_size(connection_window);
    if let Some(keep_alive) = settings.calm_keep_alive() {
        builder
            .keep_alive_interval(keep_alive.interval)
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(keep_alive.while_idle);
    }
    let (sender, connection) = builder.handshake(TokioIo::new(wire)).await?;

    let (tell, mut ended) = watch::channel(None);
    let user_agent = settings.user_agent.clone();
    let ended_with = move |outcome: hyper::Result<()>| {
        if outcome.as_ref().err().and_then(|error| h2_error(error)).and_then(h2::Error::reason)
            == Some(Reason::ENHANCE_YOUR_CALM)
        {
            settings.calm_down();
        }
        let cause: Ended = match outcome {
            Ok(()) => Ended::closed(),
            Err(error) => Ended::failed(error),
        };
        tell.send_replace(Some(cause));
    };
    // It ends with its connection, which ends when the last handle and the last call on it are gone.
    let task = Dialing(Some(tokio::spawn(Driving::new(connection, inside, ended_with))));
    tokio::select! {
        Ok(()) = greeted => {}
        Ok(cause) = ended.wait_for(Option::is_some) => {
            let cause = cause.clone().unwrap_or_else(Ended::closed);
            return Err(cause.into());
        }
        else => return Err(Ended::closed().into()),
    }
    task.settle();
    Ok(Connection::new(sender, destination, user_agent, instance, ended))
}

/// The task of a connection that nobody has yet; dropped, it ends the connection.
struct Dialing(Option<JoinHandle<()>>);

impl Dialing {
    fn settle(mut self) {
        self.0.take();
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}
