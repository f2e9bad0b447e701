//! Keeps a registration alive: one task per handle, written once for all backends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::defaults::DEREGISTER_TIMEOUT;
use crate::error::{Error, ErrorKind};
use crate::instance::{Health, Instance};
use crate::outage::{Outage, count};
use crate::pause::next_pause;
use crate::registrar::RegistrationState;
use crate::registration::Command;
use crate::registry::{Grant, Lost, Record, Registry};

type Reply = oneshot::Sender<Result<(), Error>>;

/// The task behind one handle.
pub(crate) struct Keeper {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) record: Record,
    pub(crate) state: watch::Sender<RegistrationState>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) backoff: Backoff,
    pub(crate) pauses: watch::Receiver<u64>,
    pub(crate) outage: Arc<Outage>,
    /// Changes when the registry accepts others of this connection again.
    pub(crate) returns: watch::Receiver<u64>,
    /// Whether that has shortened a wait since the last acceptance: a registry that takes one in ten is not hammered.
    pub(crate) has_hurried: bool,
    /// Updates that were asked for while the registry could not be reached; answered at the next acceptance.
    pub(crate) waiting: Vec<Reply>,
    /// What the registry answered last.
    pub(crate) grant: Grant,
}

/// Why the keeper stops.
enum End {
    /// The handle asked for it, or is gone.
    TakenBack { grace: Option<Duration>, reply: Option<Reply> },
    /// A newer registrant has the id.
    Superseded,
    /// The registry refused before it had ever accepted.
    Refused(Error),
}

impl Keeper {
    pub(crate) async fn run(mut self) {
        let end = self.keep().await;
        self.outage.recovered(self.registry.name(), &self.label());
        match end {
            End::TakenBack { grace, reply } => {
                let result = self.take_back(grace).await;
                self.state.send_replace(RegistrationState::Deregistered);
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.send(Err(ended()));
                }
                if let Some(reply) = reply {
                    let _ = reply.send(result);
                }
            }
            End::Superseded => {
                self.state.send_replace(RegistrationState::Superseded);
                self.answer_until_dropped(|| {
                    Error::new(ErrorKind::Conflict, "a newer registrant has taken this id").with_retryable(false)
                })
                .await;
            }
            End::Refused(error) => {
                self.state.send_replace(RegistrationState::Refused { error: error.clone() });
                self.answer_until_dropped(|| error.clone()).await;
            }
        }
    }

    /// Puts the entry, holds it, puts it again, until something ends that for good.
    async fn keep(&mut self) -> End {
        let mut accepted_once = false;
        loop {
            let grant = match self.put(accepted_once).await {
                Ok(grant) => grant,
                Err(end) => return end,
            };
            accepted_once = true;
            self.grant = grant.clone();
            self.backoff.succeeded();
            self.has_hurried = false;
            self.outage.accepted();
            self.outage.recovered(self.registry.name(), &self.label());
            if let Some(warning) = &grant.warning {
                tracing::warn!(service = %self.record.service, %warning, "registered, with a warning");
            }
            self.state.send_replace(RegistrationState::Registered { ttl: grant.ttl, warning: grant.warning.clone() });
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(Ok(()));
            }
            let delay = match self.hold(&grant).await {
                Ok(delay) => delay,
                Err(end) => return end,
            };
            if let Some(end) = self.wait(delay).await {
                return end;
            }
        }
    }

    /// Tries until the registry accepts.
    async fn put(&mut self, accepted_once: bool) -> Result<Grant, End> {
        loop {
            self.returns.mark_unchanged();
            let registry = Arc::clone(&self.registry);
            let record = self.record.clone();
            let prior = accepted_once.then(|| self.grant.clone());
            let mut attempt = std::pin::pin!(registry.put(&record, prior.as_ref()));
            let result = loop {
                tokio::select! {
                    result = &mut attempt => break result,
                    command = self.commands.recv() => if let Some(end) = self.obey(command) {
                        // What is under way may still land; it is awaited, so that taking back comes after it.
                        let _ = tokio::time::timeout(DEREGISTER_TIMEOUT / 2, &mut attempt).await;
                        return Err(end);
                    },
                }
            };
            let error = match result {
                Ok(_) if !Arc::ptr_eq(&record.instance, &self.record.instance) => continue,
                Ok(grant) => return Ok(grant),
                Err(error) => error,
            };
            if accepted_once && error.kind() == ErrorKind::Conflict && !error.is_retryable() {
                return Err(End::Superseded);
            }
            count(&self.outage.register_failures);
            if !error.is_retryable() && !accepted_once {
                return Err(End::Refused(error));
            }
            self.outage.failed(self.registry.name(), &self.label(), &error);
            let delay = if error.is_retryable() { self.backoff.failed() } else { self.backoff.longest() };
            let hurries = error.kind() == ErrorKind::Unavailable && !self.has_hurried;
            self.retrying(error);
            let ended = if hurries { self.wait_or_hurry(delay).await } else { self.wait(delay).await };
            if let Some(end) = ended {
                return Err(end);
            }
        }
    }

    /// Lasts while the entry is held, and says how long to wait before putting it again.
    async fn hold(&mut self, grant: &Grant) -> Result<Duration, End> {
        loop {
            let registry = Arc::clone(&self.registry);
            let record = self.record.clone();
            self.pauses.mark_unchanged();
            tokio::select! {
                lost = registry.held(&record, grant) => {
                    let Lost::Gone(error) = lost else { return Err(End::Superseded) };
                    count(&self.outage.registrations_lost);
                    self.outage.failed(self.registry.name(), &self.label(), &error);
                    self.retrying(error);
                    return Ok(self.backoff.failed());
                }
                () = next_pause(&mut self.pauses) => {
                    self.retrying(Error::unavailable("this process stood still for longer than its TTL"));
                    return Ok(Duration::ZERO);
                }
                command = self.commands.recv() => match command {
                    Some(Command::Update(instance, reply)) => {
                        if let Some(delay) = self.update(instance, reply, grant).await? {
                            return Ok(delay);
                        }
                    }
                    other => if let Some(end) = self.obey(other) { return Err(end) },
                },
            }
        }
    }

    /// Writes an update; says how long to wait when the entry must be put again.
    async fn update(&mut self, instance: Instance, reply: Reply, grant: &Grant) -> Result<Option<Duration>, End> {
        let next = match self.checked(instance) {
            Ok(next) => next,
            Err(error) => {
                let _ = reply.send(Err(error));
                return Ok(None);
            }
        };
        match self.registry.update(&next, grant).await {
            Ok(()) => {
                self.record = next;
                let _ = reply.send(Ok(()));
                Ok(None)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Config | ErrorKind::Unsupported) => {
                let _ = reply.send(Err(error));
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                // Told by the registry before the hold noticed: to put it again would take it from the newer one.
                drop(reply.send(Err(error)));
                Err(End::Superseded)
            }
            Err(error) => {
                // Whether it is written is unknown, or the entry is gone: put it as it is to be.
                self.record = next;
                self.waiting.push(reply);
                self.retrying(error);
                Ok(Some(self.backoff.failed()))
            }
        }
    }

    /// As [`wait`](Self::wait), but for a second at most from when the registry has accepted another entry of this
    /// connection: the last of a thousand would come back only after the longest backoff.
    async fn wait_or_hurry(&mut self, delay: Duration) -> Option<End> {
        let deadline = Instant::now() + delay;
        let mut returns = self.returns.clone();
        tokio::select! {
            ended = self.wait(delay) => return ended,
            Ok(()) = returns.changed() => {}
        }
        self.has_hurried = true;
        let left = deadline.saturating_duration_since(Instant::now());
        self.wait(self.backoff.spread().min(left)).await
    }

    /// Waits, and listens meanwhile.
    async fn wait(&mut self, delay: Duration) -> Option<End> {
        let sleep = tokio::time::sleep(delay);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return None,
                command = self.commands.recv() => if let Some(end) = self.obey(command) { return Some(end) },
            }
        }
    }

    /// Does what a command asks while the entry is not known to stand.
    fn obey(&mut self, command: Option<Command>) -> Option<End> {
        match command {
            Some(Command::Update(instance, reply)) => {
                match self.checked(instance) {
                    Ok(next) => {
                        self.record = next;
                        self.waiting.push(reply);
                    }
                    Err(error) => drop(reply.send(Err(error))),
                }
                None
            }
            Some(Command::Drain(grace, reply)) => Some(End::TakenBack { grace: Some(grace), reply: Some(reply) }),
            Some(Command::Deregister(reply)) => Some(End::TakenBack { grace: None, reply: Some(reply) }),
            None => Some(End::TakenBack { grace: None, reply: None }),
        }
    }

    /// The record with `instance` in place of the present one, if that is allowed.
    fn checked(&self, instance: Instance) -> Result<Record, Error> {
        instance.validate()?;
        let present = &self.record.instance;
        if instance.id() != present.id() {
            return Err(Error::config(format!(
                "an update of {:?} to the id {:?}: the id can't change; register it anew",
                present.id(),
                instance.id()
            )));
        }
        if !self.registry.carries_details() && !instance.differs_in_address_alone(present) {
            return Err(Error::unsupported("the codec writes the address alone, so nothing else can be updated")
                .with_backend(self.registry.name())
                .during("update"));
        }
        let next = Record { instance: Arc::new(instance), ..self.record.clone() };
        self.registry.check(&next)?;
        Ok(next)
    }

    /// Takes the entry away, after a drain where that is wanted.
    async fn take_back(&mut self, grace: Option<Duration>) -> Result<(), Error> {
        let Some(grace) = grace else { return self.remove().await };
        if !self.registry.carries_details() {
            let result = self.remove().await;
            self.linger(grace).await;
            return result;
        }
        let state = self.state.borrow().clone();
        if state.is_registered() {
            let draining = (*self.record.instance).clone().with_health(Health::Draining);
            if let Ok(next) = self.checked(draining) {
                let update = self.registry.update(&next, &self.grant);
                let written = tokio::time::timeout(DEREGISTER_TIMEOUT, update).await;
                if matches!(written, Ok(Ok(()))) {
                    self.record = next;
                    self.linger(grace).await;
                }
            }
        }
        self.remove().await
    }

    /// Waits for `grace`, or until the caller has given up.
    async fn linger(&mut self, grace: Duration) {
        let abandoned = async { while self.commands.recv().await.is_some() {} };
        let _ = tokio::time::timeout(grace, abandoned).await;
    }

    async fn remove(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + DEREGISTER_TIMEOUT;
        let mut last = Error::unavailable(format!("no answer within {DEREGISTER_TIMEOUT:?}"))
            .with_backend(self.registry.name())
            .during("deregister");
        loop {
            match tokio::time::timeout_at(deadline, self.registry.remove(&self.record)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if !error.is_retryable() => return Err(error),
                Ok(Err(error)) => last = error,
                Err(_) => return Err(last),
            }
            let pause = self.backoff.failed().min(Duration::from_millis(500));
            if Instant::now() + pause >= deadline {
                return Err(last);
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn retrying(&self, error: Error) {
        self.state.send_modify(|state| match state {
            RegistrationState::Retrying { error: last, .. } => *last = Some(error),
            _ => {
                *state = RegistrationState::Retrying { since: Instant::now().into_std(), error: Some(error) };
            }
        });
    }

    /// Answers what a handle that has lost its registration still asks.
    async fn answer_until_dropped(&mut self, error: impl Fn() -> Error) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(error()));
        }
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Update(_, reply) => drop(reply.send(Err(error()))),
                // There is nothing of ours to take back.
                Command::Drain(_, reply) | Command::Deregister(reply) => drop(reply.send(Ok(()))),
            }
        }
    }

    fn label(&self) -> String {
        format!("{}/{}", self.record.service, self.record.instance.id())
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the registration has ended")
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
