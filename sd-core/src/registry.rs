//! What a backend implements: the plain acts on a registry, without supervision.
//!
//! [`Connection`](crate::Connection) makes a full [`Backend`](crate::Backend) of it: it keeps registrations and watches
//! alive, shares watches, spreads retries and tells how fresh everything is, so that no backend writes that again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::catalog::CatalogPublisher;
use crate::codec::Owner;
use crate::error::Error;
use crate::instance::Instance;
use crate::probe::ProbeReport;
use crate::publisher::Publisher;
use crate::service::ServiceName;

/// One registration as a backend writes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// The service.
    pub service: ServiceName,
    /// The instance, validated.
    pub instance: Arc<Instance>,
    /// Who registers: random per registration, the same for all its writes.
    pub owner: Owner,
}

impl Record {
    /// What `owner` registers.
    #[must_use]
    pub fn new(service: ServiceName, instance: Arc<Instance>, owner: Owner) -> Self {
        Self { service, instance, owner }
    }
}

/// What a registry answered to a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The backend's own mark of what holds the entry: a lease, a session.
    pub token: u64,
    /// How long the entry outlives its registrant, as granted; `None` where nothing ends it.
    pub ttl: Option<Duration>,
    /// What the registrant should know: that readers of another kind will choke on the entry, say.
    pub warning: Option<Arc<str>>,
}

/// Why an entry is no longer held.
#[derive(Debug, Clone)]
pub enum Lost {
    /// It is gone, or nobody knows: it must be put again.
    Gone(Error),
    /// A newer registrant with the same id has taken it: it must not be touched again.
    Superseded,
}

/// The plain acts on a registry, without supervision.
///
/// # Contract
/// *Every* method is bounded in time (5 s for a request by default), except [`held`](Self::held),
/// [`watch`](Self::watch) and [`watch_services`](Self::watch_services), which last; those notice within a bound that
/// the backend documents when the other side has silently died. None retries, none sleeps to back off: that is the
/// caller's. All may run at the same time, for many instances. Futures may be dropped at any time; what `put` may have
/// written by then, `remove` takes away. A kind of error says what the caller can do: `Unauthorized`, `Config`,
/// `Conflict` with `is_retryable() == false` are permanent, all else is tried again.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// The backend's name, as its URL scheme.
    fn name(&self) -> &'static str;

    /// How long an entry outlives its registrant, as configured.
    fn ttl(&self) -> Duration;

    /// Whether health, weight, tags and the like survive being written.
    fn carries_details(&self) -> bool;

    /// Whether the record can be written at all; called before anything is sent.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed; `Unsupported` where nothing can be registered.
    fn check(&self, record: &Record) -> Result<(), Error>;

    /// Writes the entry and puts it under a lease, whoever wrote what stood there: the newest registrant wins.
    ///
    /// With a `prior` grant, this owner has held the entry before and lost it. Another's entry that stands there now is
    /// a newer registrant's then, and must be left alone.
    ///
    /// # Errors
    /// With a `prior` grant, a `Conflict` that is not retryable when another's entry stands there.
    async fn put(&self, record: &Record, prior: Option<&Grant>) -> Result<Grant, Error>;

    /// Lasts for as long as the entry is held, and says why it no longer is.
    async fn held(&self, record: &Record, grant: &Grant) -> Lost;

    /// Writes the entry anew under the same lease.
    ///
    /// # Errors
    /// `NotFound` when it is no longer there, `Conflict` when it is another's; nothing is written then.
    async fn update(&self, record: &Record, grant: &Grant) -> Result<(), Error>;

    /// Takes the entry away if it is still this owner's; one that is not there, or another's, is a success.
    ///
    /// When this fails, the backend makes up for it as soon as it can: the entry must not be kept alive.
    async fn remove(&self, record: &Record) -> Result<(), Error>;

    /// One session of a watch: publishes the whole set, then every change, until something breaks.
    ///
    /// Resumes at the publisher's cursor where it can. What can't be read is skipped, not an error.
    async fn watch(&self, service: &ServiceName, publisher: &Publisher) -> Error;

    /// The names of the services that have an instance.
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error>;

    /// One session of watching the names of the services.
    async fn watch_services(&self, publisher: &CatalogPublisher) -> Error;

    /// Marks another's instance as draining; its owner keeps it so until it registers anew.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` where the codec carries no health.
    async fn drain(&self, service: &ServiceName, id: &str) -> Result<(), Error>;

    /// Takes another's instance away. An owner that lives registers it anew.
    ///
    /// # Errors
    /// `NotFound`.
    async fn deregister(&self, service: &ServiceName, id: &str) -> Result<(), Error>;

    /// Whether the registry can be reached and lets us in.
    async fn probe(&self) -> Result<ProbeReport, Error>;
}
