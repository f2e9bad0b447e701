//! The handle that keeps a registration.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{Error, ErrorKind};
use crate::instance::Instance;
use crate::registrar::RegistrationState;
use crate::service::ServiceName;

/// What a handle asks of its keeper.
pub(crate) enum Command {
    Update(Instance, oneshot::Sender<Result<(), Error>>),
    Drain(Duration, oneshot::Sender<Result<(), Error>>),
    Deregister(oneshot::Sender<Result<(), Error>>),
}

/// Keeps one instance registered for as long as it lives.
///
/// Dropping it takes the registration back as a best effort, in the background, within 3 s; outside a runtime that
/// does nothing and does not panic. [`deregister`](Self::deregister) says whether it worked.
#[must_use = "the registration is taken back when its handle is dropped"]
pub struct RegistrationHandle {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) state: watch::Receiver<RegistrationState>,
    /// Keeps the connection alive.
    pub(crate) _connection: Arc<dyn Any + Send + Sync>,
}

impl RegistrationHandle {
    /// The service it is registered for.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The id it is registered under.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it stands now.
    #[must_use]
    pub fn state(&self) -> RegistrationState {
        self.state.borrow().clone()
    }

    /// Waits until its state changes, and returns the new one. `None` when it has ended and can't change any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&mut self) -> Option<RegistrationState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }

    /// Waits until the registry has accepted it.
    ///
    /// # Errors
    /// The refusal, or `Closed` when it has ended otherwise.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn accepted(&mut self) -> Result<(), Error> {
        let settled = |state: &RegistrationState| !state.is_retrying();
        let state = match self.state.wait_for(settled).await {
            Ok(state) => state.clone(),
            Err(_) => RegistrationState::Deregistered,
        };
        match state {
            RegistrationState::Refused { error } => Err(error),
            RegistrationState::Deregistered => Err(closed("the registration has ended")),
            _ => Ok(()),
        }
    }

    /// Changes weight, health, tags or metadata in place; resolves when the registry has it. While the registry can't
    /// be reached it waits; the change is made all the same when the caller stops waiting.
    ///
    /// # Errors
    /// `Config` for another id or bad input, `Unsupported` where the codec can't carry the change, `Conflict` when the
    /// registration is superseded, `Closed` when it has ended. The registration stays as it was.
    ///
    /// # Cancel safety
    /// Not cancel safe: the change may or may not be made.
    pub async fn update(&self, instance: Instance) -> Result<(), Error> {
        self.ask(|reply| Command::Update(instance, reply)).await
    }

    /// Marks it as draining, waits `grace` so that clients can have seen it, then takes it back. Where the codec can't
    /// carry that, it is taken back first, and then `grace` is waited. When the registry can't be told within 3 s, no
    /// grace is waited: nobody would see it.
    ///
    /// # Errors
    /// As [`deregister`](Self::deregister).
    ///
    /// # Cancel safety
    /// A drain whose future is dropped is cut short: the registration is taken back at once.
    pub async fn drain(self, grace: Duration) -> Result<(), Error> {
        self.ask(|reply| Command::Drain(grace, reply)).await
    }

    /// Takes it back; tries for 3 s when the registry does not answer.
    ///
    /// # Errors
    /// Why it could not be taken back; it ends at the latest when its TTL has passed.
    ///
    /// # Cancel safety
    /// Once polled, it is taken back in any case.
    pub async fn deregister(self) -> Result<(), Error> {
        self.ask(Command::Deregister).await
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Command) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let ended = || match self.state() {
            RegistrationState::Refused { error } => error,
            _ => closed("the registration has ended"),
        };
        self.commands.send(command(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn closed(message: &str) -> Error {
    Error::new(ErrorKind::Closed, message)
}

impl fmt::Debug for RegistrationHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationHandle")
            .field("service", &self.service)
            .field("id", &self.id)
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
