//! The one session of a connection, and the next one when it is lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_core::{Error, ErrorKind, SingleFlight};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zookeeper_client::Client;

use crate::config::ZooKeeperConfig;
use crate::dial::Dialer;
use crate::error::{error, late};
use crate::holdings::Holdings;
use crate::session::Session;

/// How many sessions are remembered: what one of them left behind is ours.
const REMEMBERED: usize = 16;

/// The one session of a connection: made when somebody needs it, once for all who wait, and anew when it is lost.
#[derive(Debug)]
pub(crate) struct Sessions {
    dialer: Arc<Dialer>,
    holdings: Arc<Holdings>,
    runtime: Handle,
    current: SingleFlight<Session>,
    ids: Mutex<VecDeque<i64>>,
    request_timeout: Duration,
}

impl Sessions {
    pub(crate) fn new(config: &ZooKeeperConfig, holdings: Arc<Holdings>, runtime: Handle) -> Self {
        Self {
            dialer: Arc::new(Dialer::of(config)),
            holdings,
            runtime,
            current: SingleFlight::default(),
            ids: Mutex::default(),
            request_timeout: config.request_timeout,
        }
    }

    /// When an act that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A session that is not lost, as far as we know; it may be disconnected now.
    pub(crate) async fn open(&self, deadline: Instant, operation: &'static str) -> Result<Arc<Session>, Error> {
        let opened = async {
            loop {
                let session = self.current.get(|| self.make()).await?;
                if session.lost().is_none() {
                    return Ok(session);
                }
                self.current.give_up(&session);
            }
        };
        tokio::time::timeout_at(deadline, opened).await.unwrap_or_else(|_| Err(late(operation).error))
    }

    /// Whether the session was one of this connection.
    pub(crate) fn were_ours(&self, id: i64) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// On the connection's own runtime: the client's task must not end with that of somebody who asks for a probe.
    async fn make(&self) -> Result<Session, Error> {
        let dialer = Arc::clone(&self.dialer);
        let client = Dialing(self.runtime.spawn(async move { dialer.dial().await })).await?;
        let session = Session::new(client, Arc::clone(&self.holdings), self.request_timeout, &self.runtime);
        if session.timeout() != self.dialer.session() {
            let (granted, asked) = (session.timeout(), self.dialer.session());
            tracing::info!(?granted, ?asked, "ZooKeeper grants another session than was asked for");
        }
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.truncate(REMEMBERED - 1);
        ids.push_front(session.id());
        Ok(session)
    }
}

/// A session being made; dropping this ends that.
struct Dialing(JoinHandle<Result<Client, Error>>);

impl Future for Dialing {
    type Output = Result<Client, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|joined| {
            let gone = |cause| error(ErrorKind::Closed, "connect", "the runtime has ended").with_source(cause);
            joined.unwrap_or_else(|cause| Err(gone(cause)))
        })
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.abort();
    }
}
