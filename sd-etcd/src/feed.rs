//! One watch of a range of keys: opened, checked for signs of life, put together from its fragments.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::PbEvent;
use etcd_client::{WatchOptions, WatchResponse, WatchStream};
use sd_core::{Error, ErrorKind};
use tokio::time::Instant;

use crate::dial::Session;
use crate::error::{Blame, Failure, cancelled, error, failure};
use crate::layout::Range;
use crate::pool::Pool;

/// One thing that happened to a key.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) key: Vec<u8>,
    /// `None` when it was deleted.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) revision: i64,
    /// Whether it did not exist before.
    pub(crate) created: bool,
}

/// What came over a watch.
#[derive(Debug)]
pub(crate) struct News {
    /// Everything that happened up to `revision`, in order; often nothing.
    pub(crate) events: Vec<Event>,
    pub(crate) revision: i64,
}

/// What is watched, and from when on.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) range: &'a Range,
    /// The first revision that is not known yet.
    pub(crate) from: i64,
    pub(crate) silence: Duration,
    pub(crate) answer: Duration,
    pub(crate) operation: &'static str,
}

/// One watch of a range of keys.
pub(crate) struct Feed {
    pool: Arc<Pool>,
    session: Arc<Session>,
    stream: WatchStream,
    silence: Duration,
    answer: Duration,
    operation: &'static str,
    heard: Instant,
    asked: Option<Instant>,
    /// Fragments of a revision that is not complete.
    fragments: Vec<Event>,
    /// Where the server stood when the watch was made.
    pub(crate) revision: i64,
    pub(crate) cluster: u64,
}

impl Feed {
    /// Opens a watch; logs in anew and tries once more when the token has grown old, which etcd says only by cancelling
    /// it. Ends within the request timeout.
    pub(crate) async fn open(pool: &Arc<Pool>, wanted: &Wanted<'_>) -> Result<Self, Failure> {
        let deadline = pool.deadline();
        let session = pool.session(deadline, wanted.operation).await?;
        let opened = async {
            match Self::open_on(pool, &session, wanted).await {
                Err(refused) if refused.blame == Blame::Credentials => {
                    session.refresh_token().await.map_err(|error| failure(error, wanted.operation))?;
                    Self::open_on(pool, &session, wanted).await
                }
                result => result,
            }
        };
        let result = tokio::time::timeout_at(deadline, opened).await.unwrap_or_else(|_| {
            let late = Error::unavailable("the watch was not opened in time").during(wanted.operation);
            Err(Failure::new(late, Blame::Endpoint))
        });
        result.map_err(|failure| pool.judged(&session, failure))
    }

    async fn open_on(pool: &Arc<Pool>, session: &Arc<Session>, wanted: &Wanted<'_>) -> Result<Self, Failure> {
        let options = WatchOptions::new()
            .with_range(wanted.range.end.clone())
            .with_start_revision(wanted.from)
            .with_fragment()
            .with_progress_notify();
        let start = wanted.range.start.clone();
        let failed = |error| failure(error, wanted.operation);
        let mut stream = session.watch().watch(start, Some(options)).await.map_err(failed)?;
        let created = stream.message().await.map_err(failed)?;
        let created = created.ok_or_else(|| ended(wanted.operation))?;
        refused(&created, wanted.operation)?;
        let (revision, cluster) = created.header().map_or((0, 0), |header| (header.revision(), header.cluster_id()));
        Ok(Self {
            pool: Arc::clone(pool),
            session: Arc::clone(session),
            stream,
            silence: wanted.silence,
            answer: wanted.answer,
            operation: wanted.operation,
            heard: Instant::now(),
            asked: None,
            fragments: Vec::new(),
            revision,
            cluster,
        })
    }

    /// The next thing that is complete. Cancel safe.
    ///
    /// A watch that has been silent is asked for a sign of life, and fails when it gives none.
    pub(crate) async fn next(&mut self) -> Result<News, Failure> {
        let result = self.next_unjudged().await;
        result.map_err(|failure| self.pool.judged(&self.session, failure))
    }

    async fn next_unjudged(&mut self) -> Result<News, Failure> {
        loop {
            let due = self.asked.map_or(self.heard + self.silence, |asked| asked + self.answer);
            let message = tokio::select! {
                message = self.stream.message() => message,
                () = tokio::time::sleep_until(due) => {
                    self.ask().await?;
                    continue;
                }
            };
            let message = message.map_err(|error| failure(error, self.operation))?;
            let message = message.ok_or_else(|| ended(self.operation))?;
            (self.heard, self.asked) = (Instant::now(), None);
            refused(&message, self.operation)?;
            let header = message.header().map_or(0, etcd_client::ResponseHeader::revision);
            let is_fragment = message.0.fragment;
            let is_progress = message.0.events.is_empty();
            self.fragments.extend(message.0.events.into_iter().filter_map(event));
            if is_fragment {
                continue;
            }
            let events = std::mem::take(&mut self.fragments);
            // The header may be ahead of what was sent, except in an answer that tells of nothing else.
            let sent = events.iter().map(|event| event.revision).max();
            let revision = sent.unwrap_or(if is_progress { header } else { 0 });
            return Ok(News { events, revision });
        }
    }

    /// Asks for a sign of life, or says that none came.
    async fn ask(&mut self) -> Result<(), Failure> {
        if self.asked.is_some() {
            let silent =
                Error::unavailable(format!("the watch is silent, and gave no sign of life in {:?}", self.answer));
            return Err(Failure::new(silent.during(self.operation), Blame::Endpoint));
        }
        self.asked = Some(Instant::now());
        self.stream.request_progress().await.map_err(|error| failure(error, self.operation))
    }
}

/// Whether etcd has ended the watch.
fn refused(message: &WatchResponse, operation: &'static str) -> Result<(), Failure> {
    if message.compact_revision() != 0 {
        let gone = error(ErrorKind::Protocol, operation, "the history since the last revision read has been compacted");
        return Err(Failure { compacted: true, ..Failure::new(gone, Blame::Nobody) });
    }
    if message.canceled() {
        return Err(cancelled(message.cancel_reason(), operation));
    }
    Ok(())
}

fn ended(operation: &'static str) -> Failure {
    Failure::new(Error::unavailable("etcd ended the watch").during(operation), Blame::Endpoint)
}

/// etcd's event as ours; one without a key tells nothing.
fn event(event: PbEvent) -> Option<Event> {
    const DELETE: i32 = 1;
    let kv = event.kv?;
    let deleted = event.r#type == DELETE;
    Some(Event {
        key: kv.key,
        value: (!deleted).then_some(kv.value),
        revision: kv.mod_revision,
        created: !deleted && kv.version == 1,
    })
}
