//! Keeps one lease alive, and finds out whether the entries on it are still there and still ours.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, KeyValue, LeaseTimeToLiveOptions, Txn, TxnOp};
use sd_core::{Backoff, Error, ErrorKind, Randomness, defaults, spread};
use tokio::time::Instant;

use crate::act::{CHUNK, found, json};
use crate::dial::Session;
use crate::error::{Failure, error};
use crate::holdings::{Held, Holdings, Standing};
use crate::lease::{Lease, revoke};
use crate::pool::Pool;

const OPERATION: &str = "heartbeat";

/// Keeps one lease alive until it is lost, or until no entry hangs on it.
///
/// Each beat opens a keep-alive stream, waits for its answer and closes it: so nothing can be silent or dead unnoticed
/// between two beats, and each beat goes to whichever endpoint works. A beat that fails is tried again, over other
/// endpoints, until the TTL has truly passed since the last that was answered.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    lease: Arc<Lease>,
    pool: Arc<Pool>,
    holdings: Arc<Holdings>,
    randomness: Arc<dyn Randomness>,
    /// Until when the lease lives for certain.
    expires: Instant,
}

impl Heartbeat {
    pub(crate) fn new(
        lease: Arc<Lease>,
        pool: Arc<Pool>,
        holdings: Arc<Holdings>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let expires = lease.granted + lease.ttl;
        Self { lease, pool, holdings, randomness, expires }
    }

    pub(crate) async fn run(mut self) {
        let interval = self.lease.ttl / defaults::BEATS_PER_TTL;
        loop {
            let pause = spread(&*self.randomness, interval, defaults::BEAT_JITTER);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.lease.until_lost() => {}
            }
            if self.lease.lost().is_none() && self.lease.close_if_unused() {
                self.lease.lose(Error::new(ErrorKind::Closed, "nothing is registered any more"));
                revoke(&self.pool, &self.lease, self.pool.deadline()).await;
            } else if let Err(lost) = self.beat().await {
                self.lease.lose(lost);
            }
            if self.lease.lost().is_some() {
                return;
            }
            if let Err(failure) = self.verify().await {
                tracing::debug!(error = %failure.error, "the entries on the lease could not be verified");
            }
        }
    }

    /// One answered beat.
    ///
    /// # Errors
    /// Why the lease is lost.
    async fn beat(&mut self) -> Result<(), Error> {
        let (base, max) = (Duration::from_millis(100), self.lease.ttl / 10);
        let mut backoff = Backoff::new(base, max, Arc::clone(&self.randomness)).with_first_spread(max);
        loop {
            if let Some(lost) = self.lease.lost() {
                return Err(lost);
            }
            let sent = Instant::now();
            // A mute endpoint must leave time for another one.
            let deadline = self.pool.deadline().min(sent + self.lease.ttl / defaults::BEATS_PER_TTL).min(self.expires);
            let id = self.lease.id;
            let failure = match self.pool.call(deadline, OPERATION, |session| keep_alive(session, id)).await {
                Ok(()) => {
                    self.expires = sent + self.lease.ttl;
                    return Ok(());
                }
                Err(failure) => failure,
            };
            tracing::debug!(error = %failure.error, "a heartbeat was not answered");
            let left = self.expires.saturating_duration_since(Instant::now());
            if failure.error.kind() == ErrorKind::NotFound || left.is_zero() {
                return Err(failure.error);
            }
            tokio::time::sleep(backoff.failed().min(left)).await;
        }
    }

    /// Asks which keys hang on the lease, and draws the conclusions.
    async fn verify(&self) -> Result<(), Failure> {
        // Asked for before the list is read: what is written meanwhile need not be in it.
        let expected = self.holdings.expected_on(&self.lease);
        let deadline = self.pool.deadline();
        let id = self.lease.id;
        let options = LeaseTimeToLiveOptions::new().with_keys();
        let list = |session: Arc<Session>| async move { session.lease().time_to_live(id, Some(options)).await };
        let answer = self.pool.call(deadline, OPERATION, list).await?;
        if answer.ttl() <= 0 {
            self.lease.lose(error(ErrorKind::NotFound, OPERATION, "the lease is gone"));
            return Ok(());
        }
        let attached: HashSet<&[u8]> = answer.keys().iter().map(Vec::as_slice).collect();
        let missing: Vec<_> = expected.into_iter().filter(|held| !attached.contains(held.key.as_slice())).collect();
        for chunk in missing.chunks(CHUNK) {
            self.judge(chunk).await?;
        }
        let remnants: Vec<_> = attached.iter().filter(|key| !self.holdings.wants(key)).copied().collect();
        for chunk in remnants.chunks(CHUNK) {
            self.sweep(chunk).await?;
        }
        self.holdings.forget_left(&self.lease, &attached);
        Ok(())
    }

    /// Says why entries of ours no longer hang on the lease.
    async fn judge(&self, missing: &[Held]) -> Result<(), Failure> {
        let found = self.read(missing.iter().map(|held| held.key.as_slice())).await?;
        for held in missing {
            let entry = found.iter().find(|entry| entry.key() == held.key);
            match entry {
                // It was on its way when the list was read.
                Some(entry) if entry.lease() == self.lease.id => {}
                Some(entry) if json(entry.value()).and_then(|entry| entry.owner).as_ref() != Some(&held.owner) => {
                    self.holdings.judge(held, Standing::Superseded);
                }
                // Gone, or ours without our lease, which nobody keeps alive.
                _ => {
                    let gone = error(ErrorKind::NotFound, "register", "the entry was taken away");
                    self.holdings.judge(held, Standing::Gone(gone));
                }
            }
        }
        Ok(())
    }

    /// Takes away what hangs on the lease and nobody wants: a removal that failed, a registration that was given up
    /// while it was on its way.
    async fn sweep(&self, keys: &[&[u8]]) -> Result<(), Failure> {
        for entry in self.read(keys.iter().copied()).await? {
            // Asked again after reading: whoever wants the key from now on writes it at a later revision.
            if entry.lease() != self.lease.id || self.holdings.wants(entry.key()) {
                continue;
            }
            let (key, revision) = (entry.key(), entry.mod_revision());
            let txn = Txn::new()
                .when([Compare::mod_revision(key, CompareOp::Equal, revision)])
                .and_then([TxnOp::delete(key, None)]);
            let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
            self.pool.call(self.pool.deadline(), OPERATION, run).await?;
        }
        Ok(())
    }

    async fn read(&self, keys: impl Iterator<Item = &[u8]>) -> Result<Vec<KeyValue>, Failure> {
        let txn = Txn::new().and_then(keys.map(|key| TxnOp::get(key, None)).collect::<Vec<_>>());
        let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
        Ok(found(self.pool.call(self.pool.deadline(), OPERATION, run).await?.op_responses()))
    }
}

/// Renews the lease once.
async fn keep_alive(session: Arc<Session>, id: i64) -> Result<(), etcd_client::Error> {
    // The first answer is awaited inside, and one that says "no such lease" is an error.
    let (keeper, mut stream) = session.lease().keep_alive(id).await?;
    // Ends the stream as etcd expects it, instead of breaking it off, which etcd counts as a failure. The lease is
    // renewed already, whatever comes of that.
    drop(keeper);
    let ended = async { while let Ok(Some(_)) = stream.message().await {} };
    let _ = tokio::time::timeout(Duration::from_millis(200), ended).await;
    Ok(())
}
