//! Living that life.

use std::future::Future;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use sd_core::{BoxError, Error, Instance, Registration, RegistrationHandle, RegistrationState};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::leave::leave;
use super::{Lifecycle, LifecycleError, LifecycleEvent, Phase, Stopping};
use crate::advertise;
use crate::stop::StopSignal;

/// Why serving comes to its end.
enum End {
    /// It was told to stop.
    Asked,
    /// The server has ended by itself.
    Served(Result<(), BoxError>),
    /// The registry will not have it.
    Refused(LifecycleError),
}

impl Lifecycle {
    /// Lives the server's life, from binding to its end.
    ///
    /// `serve` gets the listener, which is non-blocking (tokio's `from_std` takes it), and a future that resolves when it
    /// is to take no new requests and finish those that run. It must serve until then, and return when it is done; it
    /// runs in this call's task, so it must not block.
    ///
    /// After this has returned, the program should end: signals that come later are heard by nobody.
    ///
    /// # Errors
    /// [`LifecycleError`]: an address that can't be bound or advertised, a refusal of the registry before it has ever
    /// accepted, a server that fails, requests that don't finish. A registry that can't be told of the end is none: that
    /// is an event.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping the future drops the server as it is, and takes the registration back in the background
    /// as a best effort.
    ///
    /// # Panics
    /// Outside a tokio runtime that has I/O and time enabled.
    pub async fn run<F, Fut, E>(mut self, serve: F) -> Result<(), LifecycleError>
    where
        F: FnOnce(TcpListener, Stopping) -> Fut + Send,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError> + Send,
    {
        let outcome = self.live(serve).await;
        if outcome.is_ok() {
            self.tell(&LifecycleEvent::Stopped);
        }
        self.enter(Phase::Stopped);
        outcome
    }

    async fn live<F, Fut, E>(&mut self, serve: F) -> Result<(), LifecycleError>
    where
        F: FnOnce(TcpListener, Stopping) -> Fut + Send,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError> + Send,
    {
        // First of all, so that a signal counts from here on.
        let mut stop = if self.stop_on_enter { StopSignal::listen_with_enter() } else { StopSignal::listen() }
            .map_err(LifecycleError::Signals)?;
        let (listener, instance) = tokio::select! {
            bound = self.bind() => bound?,
            () = stop.requested() => return Ok(()),
        };
        let registration = Registration::new(self.service.as_str(), instance.clone());
        let mut registration = self.registrar.register_in_background(registration)?;

        let (finish, stopping) = Stopping::new();
        let mut serving = pin!(async { serve(listener, stopping).await.map_err(Into::into) });
        if self.wait.is_none() {
            self.enter(Phase::Ready);
        }
        let end = self.serve(serving.as_mut(), &mut registration, &mut stop).await;
        stop.stopping();

        let (grace, refusal) = match end {
            End::Asked => (self.drain, None),
            End::Refused(error) => (Duration::ZERO, Some(error)),
            End::Served(outcome) => {
                self.enter(Phase::Finishing);
                let left = leave(registration, instance, Duration::ZERO, std::future::ready(())).await;
                self.tell_left(left);
                return outcome.map_err(LifecycleError::Serve);
            }
        };
        self.enter(Phase::Draining);
        if !grace.is_zero() && registration.state().is_registered() {
            self.tell(&LifecycleEvent::Draining(grace));
        }
        let served = self.leave_while_serving(serving.as_mut(), registration, instance, grace).await;
        let outcome = match served {
            Some(outcome) => outcome.map_err(LifecycleError::Serve),
            None => {
                self.enter(Phase::Finishing);
                self.tell(&LifecycleEvent::Finishing(self.finish));
                finish.send_replace(true);
                match timeout(self.finish, serving).await {
                    Ok(outcome) => outcome.map_err(LifecycleError::Serve),
                    Err(_) => Err(LifecycleError::Unfinished(self.finish)),
                }
            }
        };
        // Why it had to end counts for more than how it did.
        refusal.map_or(outcome, Err)
    }

    /// Binds, and finds out what to register.
    async fn bind(&mut self) -> Result<(TcpListener, Instance), LifecycleError> {
        let address = self.listen;
        let bound = async {
            // tokio's own, for its longer queue of connections that nobody has accepted yet.
            let listener = tokio::net::TcpListener::bind(address).await?.into_std()?;
            Ok((listener.local_addr()?, listener))
        };
        let (listening, listener) = bound.await.map_err(|source| LifecycleError::Listen { address, source })?;
        let variable = match self.advertise {
            Some(_) => None,
            None => advertise::from_environment()?,
        };
        let explicit = self.advertise.as_deref().or(variable.as_deref());
        let address = advertise::resolve(explicit, listening, &self.hosts).await?;
        self.tell(&LifecycleEvent::Listening(listening));
        let describe = std::mem::replace(&mut self.describe, Box::new(|instance| instance));
        Ok((listener, describe(Instance::new(address))))
    }

    /// Serves, and follows the registration, until something ends that.
    async fn serve(
        &mut self,
        mut serving: Pin<&mut (impl Future<Output = Result<(), BoxError>> + Send)>,
        registration: &mut RegistrationHandle,
        stop: &mut StopSignal,
    ) -> End {
        let limit = self.wait;
        let mut patience = pin!(async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        });
        let mut told = Told::Nothing;
        loop {
            tokio::select! {
                outcome = serving.as_mut() => return End::Served(outcome),
                () = stop.requested() => return End::Asked,
                () = self.stop_when.as_mut() => return End::Asked,
                () = patience.as_mut(), if !self.accepted => {
                    let source = in_the_way(&registration.state());
                    return End::Refused(LifecycleError::NotAccepted { within: limit.unwrap_or_default(), source });
                }
                state = registration.changed() => match state {
                    Some(RegistrationState::Refused { error }) => return End::Refused(error.into()),
                    Some(state) => {
                        if state.is_registered() && !self.accepted {
                            self.accepted = true;
                            self.enter(Phase::Ready);
                        }
                        self.tell_state(&state, registration, &mut told);
                    }
                    // Nothing can be kept any more: the runtime that the registry's connection uses has ended.
                    None => return End::Asked,
                },
            }
        }
    }

    /// Leaves the registry while the server goes on; what the server said, if it has ended meanwhile.
    async fn leave_while_serving(
        &mut self,
        mut serving: Pin<&mut (impl Future<Output = Result<(), BoxError>> + Send)>,
        registration: RegistrationHandle,
        instance: Instance,
        grace: Duration,
    ) -> Option<Result<(), BoxError>> {
        let over = Notify::new();
        let mut leaving = pin!(leave(registration, instance, grace, over.notified()));
        let mut served = None;
        loop {
            tokio::select! {
                outcome = serving.as_mut(), if served.is_none() => {
                    served = Some(outcome);
                    over.notify_one();
                }
                left = leaving.as_mut() => {
                    self.tell_left(left);
                    return served;
                }
            }
        }
    }

    /// Tells how the registration stands, once for each time that it changes.
    fn tell_state(&mut self, state: &RegistrationState, registration: &RegistrationHandle, told: &mut Told) {
        let (now, event) = match state {
            RegistrationState::Registered { .. } => {
                let (service, id) = (Arc::from(registration.service().as_str()), Arc::from(registration.id()));
                (Told::Registered, LifecycleEvent::Registered { service, id })
            }
            RegistrationState::Retrying { error: Some(error), .. } => {
                (Told::Unregistered, LifecycleEvent::Unregistered(error.clone()))
            }
            RegistrationState::Superseded => (Told::Superseded, LifecycleEvent::Superseded),
            _ => return,
        };
        if now != *told {
            *told = now;
            self.tell(&event);
        }
    }

    /// Of one that was never registered there is nothing to tell, though what was under way is taken back, too.
    fn tell_left(&mut self, left: Result<(), Error>) {
        if !self.accepted {
            return;
        }
        let event = left.map_or_else(LifecycleEvent::NotDeregistered, |()| LifecycleEvent::Deregistered);
        self.tell(&event);
    }
}

/// Which state was told last: an hour of failing attempts is one line.
#[derive(PartialEq)]
enum Told {
    Nothing,
    Registered,
    Unregistered,
    Superseded,
}

fn in_the_way(state: &RegistrationState) -> Option<Error> {
    match state {
        RegistrationState::Retrying { error, .. } => error.clone(),
        _ => None,
    }
}
