//! One node: reading it, and taking it away only as long as it is what was read.

use std::sync::OnceLock;

use sd_core::{ErrorKind, Owner};
use tokio::time::Instant;
use zookeeper_client::{Client, Error as Said, Stat};

use crate::entry::{Read, read};
use crate::error::{Failure, answer, error};

/// How often an act is tried anew when somebody else wrote in between.
pub(crate) const RACES: usize = 3;

/// A node as it was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) data: Vec<u8>,
    pub(crate) stat: Stat,
    read: OnceLock<Option<Read>>,
}

impl Found {
    pub(crate) fn new(data: Vec<u8>, stat: Stat) -> Self {
        Self { data, stat, read: OnceLock::new() }
    }

    /// What stands in it, if that can be read.
    pub(crate) fn entry(&self) -> Option<&Read> {
        self.read.get_or_init(|| read(&self.data).ok()).as_ref()
    }

    /// The session that it ends with; 0 where nothing ends it.
    pub(crate) fn session(&self) -> i64 {
        self.stat.ephemeral_owner
    }

    /// Whether it is `owner`'s: it says so, or says nothing and is known to be ours by its session.
    pub(crate) fn is_of(&self, owner: &Owner, by_session: bool) -> bool {
        match self.entry().and_then(|entry| entry.owner.as_ref()) {
            Some(named) => named == owner,
            None => by_session,
        }
    }
}

/// The node, if it is there.
pub(crate) async fn find(
    client: &Client,
    path: &str,
    deadline: Instant,
    operation: &'static str,
) -> Result<Option<Found>, Failure> {
    match answer(deadline, operation, client.get_data(path)).await {
        Ok((data, stat)) => Ok(Some(Found::new(data, stat))),
        Err(failure) if failure.said == Said::NoNode => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Deletes a node if it still is what was read at `version`; says whether it did.
pub(crate) async fn delete_unchanged(
    client: &Client,
    path: &str,
    version: i32,
    deadline: Instant,
    operation: &'static str,
) -> Result<bool, Failure> {
    match answer(deadline, operation, client.delete(path, Some(version))).await {
        Ok(()) => Ok(true),
        Err(failure) if matches!(failure.said, Said::BadVersion | Said::NoNode) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Takes a node away for as long as it is `ours`; one that is not there, or another's, is a success.
pub(crate) async fn remove(
    client: &Client,
    path: &str,
    deadline: Instant,
    ours: impl Fn(&Found) -> bool + Send,
) -> Result<(), Failure> {
    const OPERATION: &str = "deregister";
    for _ in 0..RACES {
        let Some(found) = find(client, path, deadline, OPERATION).await? else { return Ok(()) };
        if !ours(&found) || delete_unchanged(client, path, found.stat.version, deadline, OPERATION).await? {
            return Ok(());
        }
    }
    Err(raced(OPERATION))
}

/// Others were quicker, again and again.
pub(crate) fn raced(operation: &'static str) -> Failure {
    let error = error(ErrorKind::Unavailable, operation, "others keep writing the node");
    Failure { error, said: Said::BadVersion }
}
