//! Acts on other processes' entries.

use sd_core::{Codec, Error, ErrorKind, Health, ServiceName};
use tokio::time::Instant;

use crate::entry::Form;
use crate::error::{answer, error, late};
use crate::node::{Found, RACES, delete_unchanged, find};
use crate::paths::names;
use crate::registry::ZooKeeperRegistry;

const DRAIN: &str = "drain";
const DEREGISTER: &str = "deregister";

impl ZooKeeperRegistry {
    /// Marks an instance as draining; its session and its owner stay.
    pub(crate) async fn drain_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        let deadline = self.sessions.deadline();
        let path = self.paths.node(service, id);
        let session = self.sessions.open(deadline, DRAIN).await?;
        let client = session.ready(deadline, DRAIN).await?;
        for _ in 0..RACES {
            let found = find(client, &path, deadline, DRAIN).await?;
            let entry = found.as_ref().and_then(Found::entry).filter(|entry| entry.form == Form::Json);
            let (Some(found), Some(entry)) = (&found, entry) else {
                return Err(self.why_not_drained(service, id, deadline).await);
            };
            let draining = entry.instance.clone().with_health(Health::Draining);
            let value = Codec::Json.encode(&draining, entry.owner.as_ref(), &entry.unknown)?;
            let set = client.set_data(&path, &value, Some(found.stat.version));
            match answer(deadline, DRAIN, set).await {
                Ok(_) => return Ok(()),
                Err(failure) if matches!(failure.error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                Err(failure) => return Err(failure.error),
            }
        }
        Err(error(ErrorKind::Conflict, DRAIN, format!("others keep writing {service}/{id}")))
    }

    /// Takes an instance away: every node that makes it, and one that has its id but can't be read.
    pub(crate) async fn deregister_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        let deadline = self.sessions.deadline();
        let session = self.sessions.open(deadline, DEREGISTER).await?;
        let mut deleted = false;
        for _ in 0..RACES {
            let mut raced = false;
            for (path, found) in self.nodes_of(service, id, deadline, DEREGISTER).await? {
                let client = session.ready(deadline, DEREGISTER).await?;
                let gone = delete_unchanged(client, &path, found.stat.version, deadline, DEREGISTER).await?;
                (deleted, raced) = (deleted | gone, raced | !gone);
            }
            if !raced {
                return if deleted { Ok(()) } else { Err(missing(DEREGISTER, service, id)) };
            }
        }
        Err(error(ErrorKind::Conflict, DEREGISTER, format!("others keep writing {service}/{id}")))
    }

    async fn why_not_drained(&self, service: &ServiceName, id: &str, deadline: Instant) -> Error {
        let others = |(_, found): &(String, Found)| found.entry().is_some_and(|entry| entry.form != Form::Json);
        match self.nodes_of(service, id, deadline, DRAIN).await {
            Ok(nodes) if nodes.iter().any(others) => {
                let message =
                    format!("{service}/{id} was written by another program, in a form that can't say it drains");
                error(ErrorKind::Unsupported, DRAIN, message)
            }
            Ok(_) => missing(DRAIN, service, id),
            Err(error) => error,
        }
    }

    /// The nodes that make an instance.
    async fn nodes_of(
        &self,
        service: &ServiceName,
        id: &str,
        deadline: Instant,
        operation: &'static str,
    ) -> Result<Vec<(String, Found)>, Error> {
        let path = self.paths.service(service);
        let listed = tokio::time::timeout_at(deadline, self.list_nodes(&path, operation)).await;
        let nodes = listed.unwrap_or_else(|_| Err(late(operation).error))?;
        let fits = nodes.into_iter().filter_map(|(name, found)| {
            let found = found?;
            let fits = match found.entry() {
                Some(entry) if entry.form == Form::Plain => entry.instance.id() == id,
                Some(entry) => names(&name, id) && entry.instance.id() == id,
                None => names(&name, id),
            };
            fits.then(|| (format!("{path}/{name}"), found))
        });
        Ok(fits.collect())
    }
}

fn missing(operation: &'static str, service: &ServiceName, id: &str) -> Error {
    error(ErrorKind::NotFound, operation, format!("{service} has no instance {id:?}"))
}
