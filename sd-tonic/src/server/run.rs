//! Serve and register; told to stop, leave the registry first, and then finish.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use sd_core::{Error, Instance, Registrar, Registration, RegistrationHandle, RegistrationState};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::severable::Severable;
use super::{RegisteredServer, ServeError};

type Served = Result<(), tonic::transport::Error>;

impl RegisteredServer {
    /// Binds, serves and registers until `stop` resolves, and leaves in the right order.
    ///
    /// # Errors
    /// [`ServeError`]: the address can't be bound, bad input, the registry has refused, the server has failed, or
    /// requests had to be cut.
    ///
    /// # Cancel safety
    /// Dropping it ends the server and its connections at once, and takes the registrations back as a best effort.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let (mut server, listen) = (self.server, self.listen);
        let names = names(self.names, &self.services)?;
        let bound =
            async { TcpListener::bind(listen).await.and_then(|listener| Ok((listener.local_addr()?, listener))) };
        let (address, listener) = bound.await.map_err(|source| ServeError::Listen { address: listen, source })?;
        let instance = match self.advertise {
            Some(advertised) => Instance::new(advertised),
            None if address.ip().is_unspecified() => return Err(advertise_something(address).into()),
            None => Instance::new(address),
        };
        let instance = (self.describe)(instance);

        let (health, health_service) = health_reporter();
        let mut routes = self.routes;
        routes.add_service(health_service);
        tell(&health, &self.services, ServingStatus::Serving).await;

        let (sever, severed) = watch::channel(false);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let incoming = incoming.map(move |stream| stream.map(|stream| Severable::new(stream, severed.clone())));
        let (finish, finishing) = oneshot::channel::<()>();
        let serving = server.add_routes(routes.routes()).serve_with_incoming_shutdown(incoming, async {
            // Finishing is begun by dropping the other end.
            drop(finishing.await);
        });
        let mut serving = pin!(serving);

        // The port is bound: whoever finds it in the registry is served.
        let mut registered = register(&*self.registrar, &names, &instance)?;
        let end = tokio::select! {
            served = &mut serving => End::Served(served),
            error = refused(&mut registered) => End::Refused(error),
            () = stop => End::Asked,
        };
        tell(&health, &self.services, ServingStatus::NotServing).await;
        let grace = if let End::Asked = end { self.drain } else { Duration::ZERO };
        let left = leave(registered, grace);
        let served = match end {
            End::Served(served) => {
                left.await;
                return served.map_err(ServeError::Serve);
            }
            End::Refused(_) | End::Asked => serve_while(&mut serving, left).await,
        };
        drop(finish);
        let finished = match served {
            Some(served) => Ok(served),
            None => timeout(self.finish, serving).await,
        };
        // Nothing runs any more, or is to run.
        sever.send_replace(true);
        match (end, finished) {
            (End::Refused(error), _) => Err(error.into()),
            (_, Ok(served)) => served.map_err(ServeError::Serve),
            (_, Err(_)) => Err(ServeError::Unfinished(self.finish)),
        }
    }
}

/// Why it does not go on as it was.
enum End {
    Served(Served),
    Refused(Error),
    Asked,
}

fn names(given: Vec<String>, services: &[&'static str]) -> Result<Vec<String>, Error> {
    if services.is_empty() {
        return Err(Error::config("server: it has no service; give it one with add_service"));
    }
    let names = if given.is_empty() { services.iter().map(|name| (*name).to_owned()).collect() } else { given };
    Ok(names)
}

fn advertise_something(address: SocketAddr) -> Error {
    Error::config(format!("server: it listens on {address}, which nobody can call; say what to register: advertise"))
}

async fn tell(health: &HealthReporter, services: &[&'static str], status: ServingStatus) {
    for service in services.iter().copied().chain([""]) {
        health.set_service_status(service, status).await;
    }
}

/// Registers under each name. A registry that is down delays nothing.
fn register(
    registrar: &dyn Registrar,
    names: &[String],
    instance: &Instance,
) -> Result<Vec<RegistrationHandle>, Error> {
    let register = |name: &String| registrar.register_in_background(Registration::new(name, instance.clone()));
    names.iter().map(register).collect()
}

/// Resolves when the registry refuses one of them; what passes by itself is waited for.
async fn refused(registered: &mut [RegistrationHandle]) -> Error {
    let mut watches: Vec<_> = registered.iter_mut().map(|handle| Box::pin(refusal(handle))).collect();
    poll_fn(|cx| {
        let refused = watches.iter_mut().find_map(|watch| match watch.as_mut().poll(cx) {
            Poll::Ready(error) => Some(error),
            Poll::Pending => None,
        });
        refused.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

async fn refusal(handle: &mut RegistrationHandle) -> Error {
    loop {
        match handle.changed().await {
            Some(RegistrationState::Refused { error }) => return error,
            Some(RegistrationState::Superseded) => {
                tracing::warn!(service = %handle.service(), id = handle.id(), "superseded: served on, and not found");
            }
            Some(_) => {}
            // Nothing can be kept any more, and nothing is refused.
            None => pending().await,
        }
    }
}

/// Drains all of them together: the handles bound their own waiting for the registry.
async fn leave(registered: Vec<RegistrationHandle>, grace: Duration) {
    let mut leaving = JoinSet::new();
    for handle in registered {
        leaving.spawn(async move {
            let service = handle.service().clone();
            let left = if grace.is_zero() { handle.deregister().await } else { handle.drain(grace).await };
            if let Err(error) = left {
                tracing::warn!(%service, %error, "not deregistered: gone after its TTL");
            }
        });
    }
    while leaving.join_next().await.is_some() {}
}

/// Serves until `left` is done; what the server said, if it ended meanwhile.
async fn serve_while<F>(serving: &mut Pin<&mut F>, left: impl Future<Output = ()> + Send) -> Option<Served>
where
    F: Future<Output = Served> + Send,
{
    let mut left = pin!(left);
    tokio::select! {
        served = serving.as_mut() => {
            left.await;
            Some(served)
        }
        () = left.as_mut() => None,
    }
}
