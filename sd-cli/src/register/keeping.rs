//! How a registration is kept, and how it is left.

use std::future::Future;

use sd_core::{Error, ErrorKind, Health, Instance, RegistrationHandle, RegistrationState, defaults};

/// Tells how it stands whenever that changes; returns when a newer registrant has taken the id.
pub(crate) async fn keep(handle: &mut RegistrationHandle) -> Error {
    let mut was_registered = true;
    loop {
        let state = handle.state();
        match &state {
            RegistrationState::Registered { warning: Some(warning), .. } if was_registered => eprintln!("{warning}"),
            RegistrationState::Registered { .. } if !was_registered => eprintln!("registered again"),
            RegistrationState::Retrying { error: Some(error), .. } if was_registered => {
                eprintln!("no longer known to be registered, and tried again: {error}");
            }
            RegistrationState::Superseded => {
                return Error::new(ErrorKind::Conflict, "a newer registrant has taken this id; it is theirs now");
            }
            _ => {}
        }
        was_registered = state.is_registered();
        if handle.changed().await.is_none() {
            return Error::new(ErrorKind::Closed, "the registration has ended");
        }
    }
}

/// Lets clients see that it goes for as long as `pause` lasts, then takes it back. Where health can't be written it is
/// taken back first; where the registry can't be told, nobody would see it, and nothing is waited for.
pub(crate) async fn leave(
    handle: RegistrationHandle,
    instance: Instance,
    pause: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let told = handle.update(instance.with_health(Health::Draining));
    match tokio::time::timeout(defaults::DEREGISTER_TIMEOUT, told).await {
        Ok(Ok(())) => {
            eprintln!("draining {} {}", handle.service(), handle.id());
            pause.await;
            handle.deregister().await
        }
        Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => {
            let left = handle.deregister().await;
            pause.await;
            left
        }
        // It is another's, or has ended: there is nothing to take back.
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Closed) => Ok(()),
        _ => handle.deregister().await,
    }
}
