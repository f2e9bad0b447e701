//! Putting, holding, updating and taking back an entry of ours.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use sd_core::{Codec, Error, ErrorKind, Grant, Lost, Record, UnknownFields};
use tokio::time::Instant;

use crate::act::{delete_unchanged, found, json, read, run_or_read};
use crate::dial::Session;
use crate::error::{Blame, Failure, error};
use crate::holdings::Standing;
use crate::lease::Lease;
use crate::registry::EtcdRegistry;

/// How often a write is tried anew when somebody else wrote in between.
const RACES: usize = 3;

impl EtcdRegistry {
    /// Writes the entry under a lease that lives: whoever wrote what stood there, or, `again`, unless it is another's.
    pub(crate) async fn put_record(&self, record: &Record, again: bool) -> Result<Grant, Error> {
        let deadline = self.pool.deadline();
        let key = self.key(record);
        let value = self.codec.encode(&record.instance, Some(&record.owner), &UnknownFields::default())?;
        let mut fresh = false;
        loop {
            let lease = self.intend(&key, record, deadline).await?;
            let written = self.write(record, &key, &value, &lease, again, deadline);
            let (written, warning) = tokio::join!(written, self.warning(record, &lease, deadline));
            match written {
                Ok(Some(revision)) => {
                    self.holdings.written(&key, &record.owner, revision);
                    return Ok(Grant { token: lease.id.cast_unsigned(), ttl: Some(lease.ttl), warning });
                }
                Ok(None) => {
                    self.holdings.drop_entry(&key, &record.owner);
                    return Err(error(ErrorKind::Conflict, "register", "a newer registrant has taken this id")
                        .with_retryable(false));
                }
                // The lease went in the meantime; a new one is granted once, for all who wait for it.
                Err(failure) if failure.error.kind() == ErrorKind::NotFound && !fresh => {
                    lease.lose(failure.error);
                    fresh = true;
                }
                Err(failure) => {
                    if !failure.error.is_retryable() {
                        self.holdings.drop_unwritten(&key, &record.owner);
                    }
                    return Err(failure.error);
                }
            }
        }
    }

    /// Writes the key; the revision it got, or `None` when, `again`, it is another's.
    async fn write(
        &self,
        record: &Record,
        key: &[u8],
        value: &[u8],
        lease: &Lease,
        again: bool,
        deadline: Instant,
    ) -> Result<Option<i64>, Failure> {
        let put = || TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease.id)));
        // A put that was lost leaves nothing behind, as a rule; or what we wrote ourselves.
        let mut unless_changed = again.then(|| Compare::version(key, CompareOp::Equal, 0));
        for _ in 0..RACES {
            let txn = Txn::new().when(unless_changed.take().into_iter().collect::<Vec<_>>());
            let txn = txn.and_then([put()]).or_else([TxnOp::get(key, None)]);
            let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
            let answer = self.pool.call(deadline, "register", run).await?;
            if answer.succeeded() {
                return Ok(Some(answer.header().map_or(1, etcd_client::ResponseHeader::revision)));
            }
            unless_changed = Some(match found(answer.op_responses()).pop() {
                None => Compare::version(key, CompareOp::Equal, 0),
                Some(entry) if self.was_written_by(record, value, &entry) => {
                    Compare::mod_revision(key, CompareOp::Equal, entry.mod_revision())
                }
                Some(_) => return Ok(None),
            });
        }
        let raced = error(ErrorKind::Unavailable, "register", "others keep writing the entry");
        Err(Failure::new(raced, Blame::Nobody))
    }

    /// Whether an entry is this owner's. A plain one says no owner: the same address counts as ours then.
    fn was_written_by(&self, record: &Record, value: &[u8], entry: &etcd_client::KeyValue) -> bool {
        match json(entry.value()) {
            Some(found) => found.owner.as_ref() == Some(&record.owner),
            None => self.codec == Codec::Plain && entry.value() == value,
        }
    }

    /// Lasts while the entry is held.
    pub(crate) async fn hold_record(&self, record: &Record) -> Lost {
        let key = self.key(record);
        let Some((mut standing, lease)) = self.holdings.standing(&key, &record.owner) else {
            return Lost::Gone(error(ErrorKind::NotFound, "register", "it was never written"));
        };
        let changed = standing.wait_for(|standing| !matches!(standing, Standing::Held));
        let standing = tokio::select! {
            // A verdict on the entry says more than the loss of its lease.
            biased;
            changed = changed => changed.map(|standing| standing.clone()),
            lost = lease.until_lost() => return Lost::Gone(lost),
        };
        match standing {
            Ok(Standing::Superseded) => {
                self.holdings.drop_entry(&key, &record.owner);
                Lost::Superseded
            }
            Ok(Standing::Gone(error)) => Lost::Gone(error),
            Ok(Standing::Held) | Err(_) => Lost::Gone(error(ErrorKind::NotFound, "register", "it was taken back")),
        }
    }

    /// Writes the entry anew under its lease, if it still is ours.
    pub(crate) async fn update_record(&self, record: &Record) -> Result<(), Error> {
        let superseded =
            || error(ErrorKind::Conflict, "update", "a newer registrant has taken this id").with_retryable(false);
        let missing = || error(ErrorKind::NotFound, "update", "the entry is not there");
        let deadline = self.pool.deadline();
        let key = self.key(record);
        let (standing, lease) = self.holdings.standing(&key, &record.owner).ok_or_else(missing)?;
        if matches!(*standing.borrow(), Standing::Superseded) {
            return Err(superseded());
        }
        for _ in 0..RACES {
            let found = read(&self.pool, deadline, "update", &key).await.map_err(|failure| failure.error)?;
            let found = found.ok_or_else(missing)?;
            let unknown = match json(found.value()) {
                Some(entry) if entry.owner.as_ref() == Some(&record.owner) => entry.unknown,
                None if found.lease() == lease.id => UnknownFields::default(),
                // Another's; it may hang on our lease all the same, for another handle of this connection shares that.
                _ => return Err(superseded()),
            };
            if found.lease() != lease.id {
                // Ours, written back by somebody without our lease: nobody keeps it alive, so it must be put anew.
                return Err(missing());
            }
            let value = self.codec.encode(&record.instance, Some(&record.owner), &unknown)?;
            let options = PutOptions::new().with_lease(lease.id);
            let txn = Txn::new()
                .when([Compare::mod_revision(key.clone(), CompareOp::Equal, found.mod_revision())])
                .and_then([TxnOp::put(key.clone(), value, Some(options))]);
            let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
            let answer = self.pool.call(deadline, "update", run).await.map_err(|failure| failure.error)?;
            if answer.succeeded() {
                let revision = answer.header().map_or(1, etcd_client::ResponseHeader::revision);
                self.holdings.written(&key, &record.owner, revision);
                return Ok(());
            }
        }
        Err(error(ErrorKind::Unavailable, "update", "others keep writing the entry"))
    }

    /// Takes the entry away if it is ours. When that fails, the next heartbeat does it.
    pub(crate) async fn remove_record(&self, record: &Record) -> Result<(), Error> {
        let deadline = self.pool.deadline();
        let key = self.key(record);
        let Some(held) = self.holdings.leave(&key, &record.owner) else { return Ok(()) };
        let ours = [
            Compare::lease(key.clone(), CompareOp::Equal, held.lease.id),
            Compare::mod_revision(key.clone(), CompareOp::Equal, held.revision),
        ];
        let txn =
            Txn::new().when(ours).and_then([TxnOp::delete(key.clone(), None)]).or_else([TxnOp::get(key.clone(), None)]);
        let found = run_or_read(&self.pool, deadline, "deregister", txn).await.map_err(|failure| failure.error)?;
        let mut found = found.and_then(|mut entries| entries.pop());
        for _ in 0..RACES {
            // Somebody drained it, or we do not know what we wrote last: look whose it is.
            let Some(entry) = found.take().filter(|entry| self.is_of(record, &held.lease, entry)) else { break };
            let deleted = delete_unchanged(&self.pool, deadline, "deregister", &key, entry.mod_revision()).await;
            if deleted.map_err(|failure| failure.error)? {
                break;
            }
            found = read(&self.pool, deadline, "deregister", &key).await.map_err(|failure| failure.error)?;
        }
        self.holdings.left(&key, &record.owner);
        Ok(())
    }

    /// Whether what stands in the registry is this record's, and no other's of this connection.
    fn is_of(&self, record: &Record, lease: &Lease, entry: &etcd_client::KeyValue) -> bool {
        match json(entry.value()) {
            Some(found) => found.owner.as_ref() == Some(&record.owner),
            None => self.codec == Codec::Plain && entry.lease() == lease.id && !self.holdings.wants(entry.key()),
        }
    }

    /// Notes the entry on a lease that lives.
    async fn intend(&self, key: &[u8], record: &Record, deadline: Instant) -> Result<Arc<Lease>, Error> {
        loop {
            let lease = self.leases.open(deadline).await?;
            if self.holdings.intend(key, &record.owner, &lease) {
                return Ok(lease);
            }
        }
    }

    async fn warning(&self, record: &Record, lease: &Lease, deadline: Instant) -> Option<Arc<str>> {
        match self.codec {
            Codec::Json => self.neighbours.warning(&self.pool, &self.layout, deadline, &record.service, lease.id).await,
            _ => None,
        }
    }
}
