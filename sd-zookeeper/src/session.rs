//! One session: whether it is connected, whether it has ended, and what it still has to take away.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zookeeper_client::{Client, SessionState, StateWatcher};

use crate::error::{Failure, error, late};
use crate::holdings::Holdings;
use crate::remnants::take_away_remnants;

/// How a session stands.
#[derive(Debug, Clone)]
enum Standing {
    Connected,
    Disconnected,
    Lost(Error),
}

/// One session, for as long as it lasts. Dropping it gives it back, with all that hangs on it.
pub(crate) struct Session {
    client: Client,
    id: i64,
    timeout: Duration,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Session {
    /// Takes over the session of a client, and follows it on `runtime`.
    pub(crate) fn new(client: Client, holdings: Arc<Holdings>, request_timeout: Duration, runtime: &Handle) -> Self {
        let (id, timeout) = (client.session_id().0, client.session_timeout());
        let (sender, standing) = watch::channel(Standing::Connected);
        let (states, remnants) = (client.state_watcher(), standing.clone());
        let sweeping = Sweeping { client: client.clone(), standing: remnants, id };
        let task = runtime.spawn(async move {
            tokio::select! {
                () = follow(states, timeout, sender) => {}
                () = take_away_remnants(&sweeping, &holdings, request_timeout) => {}
            }
        });
        Self { client, id, timeout, standing, task }
    }

    /// ZooKeeper's number for it.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// How long it outlives us, as granted.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The client, for what must not wait.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The client, once it is connected.
    ///
    /// What is asked of a client that is not connected is queued, without limit, and sent even when nobody waits for it
    /// any more; so nothing is asked of it then.
    pub(crate) async fn ready(&self, deadline: Instant, operation: &'static str) -> Result<&Client, Failure> {
        match tokio::time::timeout_at(deadline, connected(self.standing.clone())).await {
            Ok(Ok(())) => Ok(&self.client),
            Ok(Err(lost)) => Err(Failure { error: lost, said: zookeeper_client::Error::SessionExpired }),
            Err(_) => Err(late(operation)),
        }
    }

    /// Whether it is connected now.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Connected)
    }

    /// Why it is lost, if it is.
    pub(crate) fn lost(&self) -> Option<Error> {
        match &*self.standing.borrow() {
            Standing::Lost(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Lasts until it is lost. Cancel safe.
    pub(crate) async fn until_lost(&self) -> Error {
        let mut standing = self.standing.clone();
        let lost = standing.wait_for(|now| matches!(now, Standing::Lost(_))).await;
        match lost.as_deref() {
            Ok(Standing::Lost(error)) => error.clone(),
            _ => ended(),
        }
    }

    /// Lasts while it is connected. Cancel safe.
    pub(crate) async fn until_disconnected(&self) -> Error {
        let mut standing = self.standing.clone();
        match standing.wait_for(|now| !matches!(now, Standing::Connected)).await.as_deref() {
            Ok(Standing::Lost(error)) => error.clone(),
            _ => disconnected("watch"),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // With it goes the other clone of the client; the last one gives the session back.
        self.task.abort();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &format_args!("{:#x}", self.id)).field("timeout", &self.timeout).finish()
    }
}

/// What the session's task needs of it to take remnants away.
pub(crate) struct Sweeping {
    pub(crate) client: Client,
    pub(crate) id: i64,
    standing: watch::Receiver<Standing>,
}

impl Sweeping {
    /// Resolves once it is connected; never, once it is lost. Cancel safe.
    pub(crate) async fn connected(&self) {
        if connected(self.standing.clone()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The connection is gone; the session may live.
pub(crate) fn disconnected(operation: &'static str) -> Error {
    error(ErrorKind::Unavailable, operation, "the connection to ZooKeeper is lost")
}

/// # Errors
/// Why it never will be.
async fn connected(mut standing: watch::Receiver<Standing>) -> Result<(), Error> {
    match standing.wait_for(|now| !matches!(now, Standing::Disconnected)).await.as_deref() {
        Ok(Standing::Lost(error)) => Err(error.clone()),
        Ok(_) => Ok(()),
        Err(_) => Err(ended()),
    }
}

/// Says how the session stands, until it is lost.
///
/// One that has been disconnected for as long as it lasts is given up, though the client would wait two fifths of that
/// longer: by then ZooKeeper has ended it, or has itself been away, and will not know it when it comes back empty.
async fn follow(mut states: StateWatcher, timeout: Duration, standing: watch::Sender<Standing>) {
    let mut given_up_at = None;
    let mut state = states.peek_state();
    loop {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                given_up_at = None;
                standing.send_replace(Standing::Connected);
            }
            SessionState::Disconnected => {
                given_up_at.get_or_insert_with(|| Instant::now() + timeout);
                standing.send_replace(Standing::Disconnected);
            }
            ended => {
                standing.send_replace(Standing::Lost(why(ended)));
                return;
            }
        }
        let given_up = async {
            match given_up_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        state = tokio::select! {
            state = states.changed() => state,
            () = given_up => {
                let message = format!("no connection for {timeout:?}, the session's timeout");
                standing.send_replace(Standing::Lost(error(ErrorKind::Unavailable, "session", message)));
                return;
            }
        };
    }
}

fn why(state: SessionState) -> Error {
    match state {
        SessionState::AuthFailed => {
            error(ErrorKind::Unauthorized, "session", "ZooKeeper refuses the credentials").with_retryable(true)
        }
        SessionState::Expired => error(ErrorKind::Unavailable, "session", "the session has expired"),
        _ => ended(),
    }
}

fn ended() -> Error {
    error(ErrorKind::Unavailable, "session", "the session has ended")
}
