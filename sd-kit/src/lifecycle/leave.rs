//! Leaving the registry: drained where that can be told, and never for longer than a dead registry is worth.

use std::future::Future;
use std::time::Duration;

use sd_core::{Error, ErrorKind, Health, Instance, RegistrationHandle, RegistrationState, defaults};
use tokio::time::{Instant, sleep, timeout};

/// Marks the instance as draining, waits `grace`, and takes it back.
///
/// [`RegistrationHandle::drain`] does the same; but here all waiting for the registry together is bounded to 3 s, so that
/// one that is dead does not cost a share for each request, and the grace ends early when `over` does: a server that has
/// failed has nothing to wait for.
///
/// # Errors
/// Why it could not be taken back.
pub(super) async fn leave(
    registration: RegistrationHandle,
    instance: Instance,
    grace: Duration,
    over: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let patience = defaults::DEREGISTER_TIMEOUT;
    if grace.is_zero() || !registration.state().is_registered() {
        // Whom the registry does not name, nobody has to be told of.
        return take_back(registration, patience).await;
    }
    let began = Instant::now();
    // At most half of the patience, so that the rest is left for taking it back.
    let told = timeout(patience / 2, registration.update(instance.with_health(Health::Draining))).await;
    let left = patience.saturating_sub(began.elapsed());
    let wait = async {
        tokio::select! {
            () = sleep(grace) => {}
            () = over => {}
        }
    };
    match told {
        Ok(Ok(())) => {
            wait.await;
            take_back(registration, left).await
        }
        // The codec carries no health: clients see that it is gone instead.
        Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => {
            let outcome = take_back(registration, left).await;
            wait.await;
            outcome
        }
        // Nobody sees a mark that is not there, so nobody is waited for.
        _ => take_back(registration, left).await,
    }
}

/// Takes it back within `patience`; after that it is tried on in the background, as far as the process still lives.
async fn take_back(registration: RegistrationHandle, patience: Duration) -> Result<(), Error> {
    let in_the_way = match registration.state() {
        RegistrationState::Retrying { error, .. } => error,
        _ => None,
    };
    timeout(patience, registration.deregister()).await.unwrap_or_else(|_| {
        let silent = Error::unavailable(format!("no answer within {:?}", defaults::DEREGISTER_TIMEOUT));
        Err(match in_the_way {
            Some(error) => silent.with_source(error),
            None => silent,
        })
    })
}
