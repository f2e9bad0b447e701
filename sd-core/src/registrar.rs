//! I am here: the writing side of a registry.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::instance::Instance;
use crate::registration::RegistrationHandle;
use crate::service::ServiceName;

#[allow(clippy::disallowed_types, reason = "instants in public are std's; these are made from tokio's clock")]
type Instant = std::time::Instant;

/// I am here: the writing side of a registry.
///
/// # Contract
/// `register` resolves when the registry has accepted the instance, and its handle keeps it there: after a lost lease,
/// an expired session or a registry's restart it is registered anew, for ever. While the registry can't be reached it
/// waits and tries again; the caller bounds it. Bad input, and a refusal before the first acceptance, is an error at
/// once, and nothing was written. Dropping the future leaves nothing behind. The same id again is the normal restart:
/// the newest registrant wins, the older becomes [`Superseded`](RegistrationState::Superseded) and writes no more.
#[async_trait]
pub trait Registrar: fmt::Debug + Send + Sync {
    /// Registers, and resolves when the registry has accepted.
    ///
    /// # Errors
    /// `Config` for bad input, `Unauthorized` when the registry refuses the credentials, `Unsupported` where nothing
    /// can be registered. What may pass by itself is waited for instead.
    ///
    /// # Cancel safety
    /// Cancel safe: a registration whose future is dropped is taken back.
    async fn register(&self, registration: Registration) -> Result<RegistrationHandle, Error>;

    /// Returns at once, in [`Retrying`](RegistrationState::Retrying): for a service that boots while its registry is
    /// down. Must be called inside a runtime, or on a connection that knows one.
    ///
    /// # Errors
    /// `Config` for bad input, `Unsupported` where nothing can be registered.
    fn register_in_background(&self, registration: Registration) -> Result<RegistrationHandle, Error>;
}

/// What is to be registered: an instance of a service.
#[derive(Debug, Clone)]
pub struct Registration {
    service: String,
    instance: Instance,
}

impl Registration {
    /// `instance` as one of `service`; both are checked when it is registered.
    pub fn new(service: impl Into<String>, instance: Instance) -> Self {
        Self { service: service.into(), instance }
    }

    /// Checks name and instance.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub fn validated(self) -> Result<(ServiceName, Instance), Error> {
        let service = self.service.parse()?;
        self.instance.validate()?;
        Ok((service, self.instance))
    }
}

/// How a registration stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RegistrationState {
    /// The registry has accepted it, and it is being kept.
    Registered {
        /// How long it would outlive this process, as granted; `None` where nothing ends it.
        ttl: Option<Duration>,
        /// What its owner should know.
        warning: Option<std::sync::Arc<str>>,
    },
    /// It is not known to stand in the registry; it is being registered anew.
    Retrying {
        /// Since when.
        since: Instant,
        /// What is in the way; `None` before the first attempt has ended.
        error: Option<Error>,
    },
    /// A newer registrant has taken its id; this one writes no more.
    Superseded,
    /// The registry refused it before it had ever accepted it; nothing is tried any more.
    Refused {
        /// Why.
        error: Error,
    },
    /// It was taken back, or its handle is gone.
    Deregistered,
}

impl RegistrationState {
    /// Whether the registry has accepted it, and it is being kept.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        matches!(self, Self::Registered { .. })
    }

    /// Whether it is being registered anew.
    #[must_use]
    pub fn is_retrying(&self) -> bool {
        matches!(self, Self::Retrying { .. })
    }

    /// Whether a newer registrant has taken its id.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Superseded)
    }
}
