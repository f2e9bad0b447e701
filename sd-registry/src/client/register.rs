//! Putting, holding, updating and taking back an entry of ours.

use std::time::Duration;

use sd_core::{Codec, Error, ErrorKind, Grant, Lost, Record, UnknownFields};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::error::{Failure, error};
use super::holdings::Standing;
use super::registry::CentreRegistry;
use super::wire::{DEREGISTER, Named, REGISTER, Register, Registered, Revised, UPDATE, Update};

impl CentreRegistry {
    /// Writes the entry: whoever wrote what stood there, or, `again`, unless it is another's.
    pub(crate) async fn put_record(&self, record: &Record, again: bool) -> Result<Grant, Error> {
        let instance = encoded(record, "register")?;
        self.keep_beating();
        self.holdings.intend(record);
        let sent = Instant::now();
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let body = Register { service: record.service.as_str(), instance: &instance, ttl_ms, prior: again };
        match self.pool.post::<Registered>(REGISTER, &body, "register").await {
            Ok(registered) => {
                let ttl = Duration::from_millis(registered.ttl_ms);
                self.holdings.written(record, registered.revision, sent + ttl);
                Ok(Grant { token: registered.revision, ttl: Some(ttl), warning: None })
            }
            Err(Failure { error, .. }) => {
                if error.kind() == ErrorKind::Conflict {
                    self.holdings.lost(record);
                } else if !error.is_retryable() {
                    self.holdings.refused(record);
                }
                Err(error)
            }
        }
    }

    /// Lasts while the entry is held.
    pub(crate) async fn hold_record(&self, record: &Record) -> Lost {
        let Some(mut standing) = self.holdings.standing(record) else {
            return Lost::Gone(error(ErrorKind::NotFound, "register", "it was never written"));
        };
        let changed = standing.wait_for(|standing| !matches!(standing, Standing::Held)).await;
        match changed.map(|standing| standing.clone()) {
            Ok(Standing::Superseded) => {
                self.holdings.lost(record);
                Lost::Superseded
            }
            Ok(Standing::Gone(error)) => Lost::Gone(error),
            Ok(Standing::Held) | Err(_) => Lost::Gone(error(ErrorKind::NotFound, "register", "it was taken back")),
        }
    }

    /// Writes the entry anew under its lease, if it still is ours.
    pub(crate) async fn update_record(&self, record: &Record) -> Result<(), Error> {
        let instance = encoded(record, "update")?;
        let sent = Instant::now();
        let body = Update { service: record.service.as_str(), instance: &instance };
        let updated = self.pool.post::<Revised>(UPDATE, &body, "update").await;
        let Revised { revision } = updated.map_err(|failure| failure.error)?;
        self.holdings.written(record, revision, sent + self.ttl);
        Ok(())
    }

    /// Takes the entry away if it is ours. When that fails, the next heartbeat does it.
    ///
    /// A registration that was on its way when it was given up could in theory arrive after this; nobody renews it
    /// then, and it ends with its TTL.
    pub(crate) async fn remove_record(&self, record: &Record) -> Result<(), Error> {
        if !self.holdings.leave(record) {
            return Ok(());
        }
        let (service, id, owner) = (&record.service, record.instance.id(), &record.owner);
        let body = Named { service: service.as_str(), id, owner: Some(owner.as_str()) };
        match self.pool.post::<IgnoredAny>(DEREGISTER, &body, "deregister").await {
            Err(failure) if failure.error.is_retryable() => Err(failure.error),
            result => {
                self.holdings.left(service, id, owner);
                match result {
                    // It went by itself while it was asked about.
                    Err(failure) if failure.error.kind() != ErrorKind::NotFound => Err(failure.error),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The instance as the centre takes it.
pub(crate) fn encoded(record: &Record, operation: &'static str) -> Result<Box<RawValue>, Error> {
    let bytes = Codec::Json.encode(&record.instance, Some(&record.owner), &UnknownFields::default())?;
    let broken = || error(ErrorKind::Config, operation, "the instance can't be written as JSON");
    let text = String::from_utf8(bytes).map_err(|cause| broken().with_source(cause))?;
    RawValue::from_string(text).map_err(|cause| broken().with_source(cause))
}
