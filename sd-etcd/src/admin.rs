//! Acts on other processes' entries.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use sd_core::{Codec, Error, ErrorKind, Health, ServiceName};

use crate::act::{delete_unchanged, read};
use crate::dial::Session;
use crate::error::error;
use crate::layout::Key;
use crate::list::{Listing, list};
use crate::registry::EtcdRegistry;

/// How often an act is tried anew when somebody else wrote in between.
const RACES: usize = 3;

impl EtcdRegistry {
    /// Marks an instance as draining; its lease and its owner stay.
    pub(crate) async fn drain_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        const OPERATION: &str = "drain";
        let deadline = self.pool.deadline();
        let key = self.layout.key(service, id);
        for _ in 0..RACES {
            let found = read(&self.pool, deadline, OPERATION, &key).await.map_err(|failure| failure.error)?;
            let entry = found.as_ref().and_then(|found| Codec::decode(found.value()).ok());
            let (Some(found), Some(entry)) = (found, entry.filter(|entry| entry.codec == Codec::Json)) else {
                return Err(self.why_not_drained(service, id).await);
            };
            let draining = entry.instance.with_health(Health::Draining);
            let value = Codec::Json.encode(&draining, entry.owner.as_ref(), &entry.unknown)?;
            let txn = Txn::new()
                .when([Compare::mod_revision(key.clone(), CompareOp::Equal, found.mod_revision())])
                .and_then([TxnOp::put(key.clone(), value, Some(PutOptions::new().with_ignore_lease()))]);
            let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
            if self.pool.call(deadline, OPERATION, run).await.map_err(|failure| failure.error)?.succeeded() {
                return Ok(());
            }
        }
        Err(error(ErrorKind::Conflict, OPERATION, format!("others keep writing {service}/{id}")))
    }

    /// Takes an instance away: every key that makes it, and one that has its id but can't be read.
    pub(crate) async fn deregister_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        const OPERATION: &str = "deregister";
        let deadline = self.pool.deadline();
        let mut deleted = false;
        for _ in 0..RACES {
            let mut raced = false;
            for (key, revision, _) in self.keys_of(service, id, OPERATION).await? {
                let gone = delete_unchanged(&self.pool, deadline, OPERATION, &key, revision).await;
                let gone = gone.map_err(|failure| failure.error)?;
                (deleted, raced) = (deleted | gone, raced | !gone);
            }
            if !raced {
                return if deleted { Ok(()) } else { Err(missing(OPERATION, service, id)) };
            }
        }
        Err(error(ErrorKind::Conflict, OPERATION, format!("others keep writing {service}/{id}")))
    }

    async fn why_not_drained(&self, service: &ServiceName, id: &str) -> Error {
        match self.keys_of(service, id, "drain").await {
            Ok(keys) if keys.iter().any(|(_, _, codec)| *codec == Some(Codec::Plain)) => {
                let message = format!("{service}/{id} is a plain address, which can't carry that it drains");
                error(ErrorKind::Unsupported, "drain", message)
            }
            Ok(_) => missing("drain", service, id),
            Err(error) => error,
        }
    }

    /// The keys that make an instance, with the revision they were read at and how they are written.
    async fn keys_of(
        &self,
        service: &ServiceName,
        id: &str,
        operation: &'static str,
    ) -> Result<Vec<(Vec<u8>, i64, Option<Codec>)>, Error> {
        let (range, deadline) = (self.layout.range(service), self.pool.deadline());
        let listing = list(&self.pool, &range, false, operation, Some(deadline)).await;
        let Listing { entries, .. } = listing.map_err(|failure| failure.error)?;
        let fits = entries.into_iter().filter_map(|found| {
            let Key::Of(key_id) = self.layout.id(service, found.key()) else { return None };
            let entry = Codec::decode(found.value()).ok();
            let fits = match &entry {
                Some(entry) if entry.codec == Codec::Json => key_id == id && entry.instance.id() == id,
                Some(entry) => entry.instance.id() == id,
                None => key_id == id,
            };
            fits.then(|| (found.key().to_vec(), found.mod_revision(), entry.map(|entry| entry.codec)))
        });
        Ok(fits.collect())
    }
}

fn missing(operation: &'static str, service: &ServiceName, id: &str) -> Error {
    error(ErrorKind::NotFound, operation, format!("{service} has no instance {id:?}"))
}
