//! Accepts connections, until the centre stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::access::Tokens;
use crate::http::guard::Peer;
use crate::server::connection::{serve, stopped};
use crate::server::doors::Doors;
use crate::server::tls::Tls;

/// How long requests that are under way may take when the centre stops.
const GRACE: Duration = Duration::from_secs(5);
/// After an error, such as too many open files, the next connection is waited for.
const PAUSE: Duration = Duration::from_millis(100);
/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// Everything that accepting needs. It owns the connections: when it ends, they have ended.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) router: Router,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) doors: Doors,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Listening {
    pub(crate) async fn run(mut self) {
        let mut connections = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        let peer = Peer(from.ip());
                        // A refused connection is closed: nothing is read that would cost more than it did to accept.
                        if let Some(place) = self.doors.enter(peer) {
                            let (router, stopping) = (self.router.clone(), self.stopping.clone());
                            let acceptor = self.tls.as_ref().map(|tls| tls.acceptor());
                            connections.spawn(async move {
                                serve(stream, peer, router, acceptor, stopping).await;
                                drop(place);
                            });
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection can't be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = look.tick() => self.refresh(),
                () = stopped(&mut self.stopping) => break,
            }
        }
        drop(self.listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!(open = connections.len(), "connections were cut off: they did not finish within {GRACE:?}");
        }
        connections.shutdown().await;
    }

    /// Reads files again that have changed.
    fn refresh(&self) {
        let (tls, tokens) = (self.tls.clone(), self.tokens.clone());
        if tls.is_none() && tokens.is_none() {
            return;
        }
        // Not awaited: it takes a moment, and connections go on meanwhile. The next look is a second away.
        drop(tokio::task::spawn_blocking(move || {
            tls.iter().for_each(|tls| tls.refresh());
            tokens.iter().for_each(|tokens| tokens.refresh());
        }));
    }
}
