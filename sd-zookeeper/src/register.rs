//! Putting, holding, updating and taking back an entry of ours.

use sd_core::{Codec, Error, ErrorKind, Grant, Lost, Record, UnknownFields};
use tokio::time::Instant;
use zookeeper_client::{CreateMode, Error as Said};

use crate::entry::Form;
use crate::error::{Failure, answer, error};
use crate::holdings::Holdings;
use crate::node::{Found, RACES, find, raced, remove};
use crate::registry::ZooKeeperRegistry;
use crate::session::Session;

const REGISTER: &str = "register";

/// What is to be done about a node that stands where ours is to be.
enum Verdict {
    /// It is ours, in this session.
    Rewrite,
    /// It is ours from an earlier session, or a predecessor's.
    TakeOver,
    /// It is another's.
    Refuse(Error),
}

impl ZooKeeperRegistry {
    /// Writes the entry into a session that lives; `prior` says that it was held before.
    pub(crate) async fn put_record(&self, record: &Record, prior: Option<&Grant>) -> Result<Grant, Error> {
        let deadline = self.sessions.deadline();
        let path = self.path(record);
        let value = self.codec.encode(&record.instance, Some(&record.owner), &UnknownFields::default())?;
        self.holdings.intend(&path, &record.owner);
        let put = async {
            let session = self.sessions.open(deadline, REGISTER).await?;
            session.ready(deadline, REGISTER).await?;
            let written = self.write(record, prior.is_some(), &path, &value, &session, deadline);
            let (written, warning) = tokio::join!(written, self.warning(record, &session, deadline));
            written?;
            self.holdings.written(&path, &record.owner);
            let token = session.id().cast_unsigned();
            Ok(Grant { token, ttl: Some(session.timeout()), warning })
        };
        put.await.inspect_err(|error: &Error| {
            // Refused, so that nothing of ours stands there.
            if !error.is_retryable() {
                self.holdings.forget(&path, &record.owner);
            }
        })
    }

    async fn write(
        &self,
        record: &Record,
        again: bool,
        path: &str,
        value: &[u8],
        session: &Session,
        deadline: Instant,
    ) -> Result<(), Error> {
        let client = session.client();
        let ephemeral = CreateMode::Ephemeral.with_acls(self.acls());
        for _ in 0..RACES {
            match answer(deadline, REGISTER, client.create(path, value, &ephemeral)).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.said == Said::NoNode => {
                    let parents = CreateMode::Persistent.with_acls(self.acls());
                    let service = self.paths.service(&record.service);
                    answer(deadline, REGISTER, client.mkdir(&service, &parents)).await?;
                    continue;
                }
                Err(failure) if failure.said == Said::NodeExists => {}
                Err(failure) => return Err(failure.error),
            }
            // The normal case after a crash: ZooKeeper keeps a session's nodes until its timeout has passed.
            let Some(found) = find(client, path, deadline, REGISTER).await? else { continue };
            let result = match self.verdict(record, again, path, &found, session) {
                Verdict::Rewrite if found.data == value => return Ok(()),
                Verdict::Rewrite => {
                    let set = client.set_data(path, value, Some(found.stat.version));
                    answer(deadline, REGISTER, set).await.map(drop)
                }
                Verdict::TakeOver => {
                    // Both or none: nobody sees the instance missing, and the end of the old session takes nothing.
                    let mut exchange = client.new_multi_writer();
                    exchange.add_delete(path, Some(found.stat.version)).map_err(|said| Failure::new(said, REGISTER))?;
                    exchange.add_create(path, value, &ephemeral).map_err(|said| Failure::new(said, REGISTER))?;
                    let exchange = exchange.commit();
                    answer(deadline, REGISTER, exchange).await.map(drop)
                }
                Verdict::Refuse(error) => return Err(error),
            };
            match result {
                Ok(()) => return Ok(()),
                Err(failure) if matches!(failure.said, Said::NoNode | Said::BadVersion | Said::NodeExists) => {}
                Err(failure) => return Err(failure.error),
            }
        }
        Err(raced(REGISTER).error)
    }

    /// Whoever registers an id newly takes it over from whoever of us had it: an owner stands in the value, and the
    /// other gives way. A program that is not one of ours knows no such rule, so its node is left alone, unless it says
    /// the same address (then it is the same place, left by a predecessor).
    fn verdict(&self, record: &Record, again: bool, path: &str, found: &Found, session: &Session) -> Verdict {
        if self.is_ours(record, path, found) {
            return if found.session() == session.id() { Verdict::Rewrite } else { Verdict::TakeOver };
        }
        let conflict = |message: String| error(ErrorKind::Conflict, REGISTER, message);
        if again {
            let newer = conflict("a newer registrant has taken this id".to_owned());
            return Verdict::Refuse(newer.with_retryable(false));
        }
        let entry = found.entry();
        let is_peer = entry.is_some_and(|entry| {
            entry.owner.is_some()
                || entry.instance.address() == record.instance.address()
                || (self.codec == Codec::Plain && entry.form == Form::Plain)
        });
        if is_peer {
            return Verdict::TakeOver;
        }
        let what = entry.map_or_else(|| "something unreadable".to_owned(), |e| e.instance.address().to_string());
        let since = self.holdings.met_stranger(path, &record.owner, found.stat.czxid);
        let outlived = since.elapsed() >= session.timeout();
        Verdict::Refuse(
            conflict(format!("another program's node stands at {path}, with {what}")).with_retryable(!outlived),
        )
    }

    /// Whether a node is this record's, and no other's of this connection.
    fn is_ours(&self, record: &Record, path: &str, found: &Found) -> bool {
        let by_session = self.sessions.were_ours(found.session());
        found.is_of(&record.owner, by_session && !self.holdings.wanted_by_another(path, &record.owner))
    }

    /// Lasts for as long as the entry is held. A one-shot watch on its node tells; the client sets it again by itself
    /// when it connects again.
    pub(crate) async fn hold_record(&self, record: &Record, grant: &Grant) -> Lost {
        let path = self.path(record);
        let lost = self.hold(record, &path, grant).await;
        if matches!(lost, Lost::Superseded) {
            self.holdings.forget(&path, &record.owner);
        }
        lost
    }

    async fn hold(&self, record: &Record, path: &str, grant: &Grant) -> Lost {
        let gone = |message: &str| Lost::Gone(error(ErrorKind::NotFound, REGISTER, message));
        let Some(mut superseded) = self.holdings.superseded(path, &record.owner) else {
            return gone("the entry is not there");
        };
        let session = match self.sessions.open(self.sessions.deadline(), REGISTER).await {
            Ok(session) if session.id() == grant.token.cast_signed() => session,
            Ok(_) => return gone("the session that held the entry is lost"),
            Err(error) => return Lost::Gone(error),
        };
        let mut failed_before = false;
        loop {
            let deadline = self.sessions.deadline();
            let watched = match session.ready(deadline, REGISTER).await {
                Ok(client) => answer(deadline, REGISTER, client.get_and_watch_data(path)).await,
                Err(failure) => Err(failure),
            };
            let changed = match watched {
                Ok((data, stat, watcher)) => {
                    let found = Found::new(data, stat);
                    if *superseded.borrow() || !found.is_of(&record.owner, found.session() == session.id()) {
                        return Lost::Superseded;
                    }
                    if found.session() != session.id() {
                        return gone("the entry does not hang on the session");
                    }
                    watcher.changed()
                }
                Err(failure) if failure.said == Said::NoNode => return gone("the entry was taken away"),
                Err(failure) if session.lost().is_some() => return Lost::Gone(failure.error),
                // A connection that breaks fails what is under way, perhaps before the session knows of it.
                Err(failure) if session.is_connected() && failed_before => return Lost::Gone(failure.error),
                // Of a session that is disconnected nothing is known; its entries are held until it is lost.
                Err(_) => {
                    failed_before = true;
                    continue;
                }
            };
            failed_before = false;
            tokio::select! {
                _ = changed => {}
                lost = session.until_lost() => return Lost::Gone(lost),
                _ = superseded.wait_for(|now| *now) => return Lost::Superseded,
            }
        }
    }

    /// Writes the entry anew in its session; fields that this version of the format does not know are kept.
    pub(crate) async fn update_record(&self, record: &Record, grant: &Grant) -> Result<(), Error> {
        let path = self.path(record);
        let updated = self.update_node(record, &path, grant).await;
        if updated.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict) {
            self.holdings.forget(&path, &record.owner);
        }
        updated
    }

    async fn update_node(&self, record: &Record, path: &str, grant: &Grant) -> Result<(), Error> {
        const OPERATION: &str = "update";
        let taken =
            || error(ErrorKind::Conflict, OPERATION, "a newer registrant has taken this id").with_retryable(false);
        let missing = || error(ErrorKind::NotFound, OPERATION, "the entry is not there");
        let deadline = self.sessions.deadline();
        if *self.holdings.superseded(path, &record.owner).ok_or_else(missing)?.borrow() {
            return Err(taken());
        }
        let session = self.sessions.open(deadline, OPERATION).await?;
        let client = session.ready(deadline, OPERATION).await?;
        for _ in 0..RACES {
            let found = find(client, path, deadline, OPERATION).await?.ok_or_else(missing)?;
            if !self.is_ours(record, path, &found) {
                return Err(taken());
            }
            if found.session() != session.id() || session.id() != grant.token.cast_signed() {
                // Ours, from a session that is lost: it must be put anew.
                return Err(missing());
            }
            let unknown = found.entry().map(|entry| entry.unknown.clone()).unwrap_or_default();
            let value = self.codec.encode(&record.instance, Some(&record.owner), &unknown)?;
            match answer(deadline, OPERATION, client.set_data(path, &value, Some(found.stat.version))).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.said == Said::BadVersion => {}
                Err(failure) => return Err(failure.error),
            }
        }
        Err(raced(OPERATION).error)
    }

    /// Takes the entry away if it is ours. When that fails, the session's task does it as soon as it can.
    pub(crate) async fn remove_record(&self, record: &Record) -> Result<(), Error> {
        let path = self.path(record);
        if !self.holdings.leave(&path, &record.owner) {
            return Ok(());
        }
        // Dropped before it has worked, it has not worked.
        let mut removal = RemovalUnderWay { holdings: &self.holdings, done: false };
        let deadline = self.sessions.deadline();
        let session = self.sessions.open(deadline, "deregister").await?;
        let client = session.ready(deadline, "deregister").await?;
        remove(client, &path, deadline, |found| self.is_ours(record, &path, found)).await?;
        removal.done = true;
        self.holdings.left(&path, &record.owner);
        Ok(())
    }
}

/// Says that a removal has failed, unless it is done.
struct RemovalUnderWay<'a> {
    holdings: &'a Holdings,
    done: bool,
}

impl Drop for RemovalUnderWay<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.holdings.removal_failed();
        }
    }
}
