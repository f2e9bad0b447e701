//! One session of watching a service: resumed where the last one stood, or read whole, and then followed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sd_core::{Cursor, Error, ErrorKind, Publisher, ServiceName, defaults, spread};
use tokio::time::Instant;

use crate::audit::{is_complete, is_same_history};
use crate::error::{Blame, Failure, error};
use crate::feed::{Feed, News, Wanted};
use crate::layout::Range;
use crate::list::list;
use crate::registry::EtcdRegistry;
use crate::view::{Expected, Reading, View};

const OPERATION: &str = "watch";

/// What a session knows, and leaves to the next one: the keys behind the instances, as of a revision of a cluster.
struct Known<'a> {
    publisher: &'a Publisher,
    view: View,
    revision: i64,
    cluster: u64,
    /// Whether the next session may go on from here.
    trusted: bool,
}

impl Known<'_> {
    fn cursor(&self) -> Cursor {
        Cursor { position: self.revision.unsigned_abs(), epoch: self.cluster }
    }
}

impl Drop for Known<'_> {
    /// A session may be dropped at any await, and is then followed by another one.
    fn drop(&mut self) {
        self.publisher.set_cursor(self.trusted.then(|| self.cursor()));
        if self.trusted {
            let kept = Kept { view: std::mem::take(&mut self.view), cursor: self.cursor() };
            self.publisher.keep(Box::new(kept));
        }
    }
}

/// An audit under way: whether the registry holds what is known.
type Audit = Pin<Box<dyn Future<Output = Result<bool, Failure>> + Send>>;

/// What stands with the publisher between two sessions.
struct Kept {
    view: View,
    cursor: Cursor,
}

impl EtcdRegistry {
    /// Publishes the service's instances, then every change, until something breaks.
    pub(crate) async fn watch_service(&self, service: &ServiceName, publisher: &Publisher) -> Error {
        let Err(failure) = self.follow(service, publisher).await;
        failure.error
    }

    async fn follow(&self, service: &ServiceName, publisher: &Publisher) -> Result<std::convert::Infallible, Failure> {
        let range = self.layout.range(service);
        let reading = Reading { layout: &self.layout, service, publisher };
        let (mut known, mut feed) = match self.resume(&range, publisher).await? {
            Some(resumed) => resumed,
            None => self.read_whole(reading, &range).await?,
        };
        let mut audit = self.next_audit();
        let mut auditing: Option<Audit> = None;
        loop {
            tokio::select! {
                news = feed.next() => {
                    let news = news.inspect_err(|failure| known.trusted = !failure.compacted)?;
                    take_up(reading, &mut known, news);
                }
                () = tokio::time::sleep_until(audit), if auditing.is_none() => {
                    let (range, revision, expected) = (range.clone(), known.revision, known.view.expected());
                    auditing = Some(Box::pin(self.audit(range, revision, expected)));
                }
                complete = async { match auditing.as_mut() {
                    Some(running) => running.await,
                    None => std::future::pending().await,
                } } => {
                    auditing = None;
                    audit = self.next_audit();
                    match complete {
                        Ok(false) => {
                            known.trusted = false;
                            let lost = error(ErrorKind::Protocol, OPERATION, "the registry holds other entries than were seen");
                            return Err(Failure::new(lost, Blame::Nobody));
                        }
                        Ok(true) => {}
                        // It says nothing about the watch, which has its own checks.
                        Err(failure) => tracing::debug!(error = %failure.error, "an audit could not be made"),
                    }
                }
            }
        }
    }

    /// Goes on where the last session stood; `None` when that can't be, or must not: a compacted history, another
    /// cluster, or one that was restored.
    async fn resume<'a>(&self, range: &Range, publisher: &'a Publisher) -> Result<Option<(Known<'a>, Feed)>, Failure> {
        let kept = publisher.take_kept().and_then(|kept| kept.downcast::<Kept>().ok());
        let Some(kept) = kept.filter(|kept| publisher.cursor() == Some(kept.cursor)) else { return Ok(None) };
        let revision = i64::try_from(kept.cursor.position).unwrap_or(i64::MAX);
        let cluster = kept.cursor.epoch;
        let mut known = Known { publisher, view: kept.view, revision, cluster, trusted: true };
        let feed = match Feed::open(&self.pool, &self.wanted(range, revision + 1)).await {
            Err(failure) if failure.compacted => None,
            feed => Some(feed?),
        };
        let resumed = match feed {
            Some(feed) if feed.cluster == cluster => {
                let same = is_same_history(&self.pool, range, revision, &known.view.expected(), OPERATION).await?;
                same.then_some(feed)
            }
            _ => None,
        };
        let Some(feed) = resumed else {
            tracing::debug!(revision, "the watch can't go on where it stood; the service is read anew");
            known.trusted = false;
            return Ok(None);
        };
        // Not merely live again: the set may have been dropped meanwhile, for being stale too long.
        publisher.replace(known.view.instances());
        Ok(Some((known, feed)))
    }

    /// Reads the whole service, and watches it from then on.
    async fn read_whole<'a>(&self, reading: Reading<'a>, range: &Range) -> Result<(Known<'a>, Feed), Failure> {
        let publisher = reading.publisher;
        let listing = list(&self.pool, range, false, OPERATION, None).await?;
        let feed = Feed::open(&self.pool, &self.wanted(range, listing.revision + 1)).await?;
        let mut view = View::default();
        for entry in listing.entries {
            let revision = entry.mod_revision();
            let (key, value) = entry.into_key_value();
            view.load(reading, key, &value, revision);
        }
        self.unchanged(range, &feed, (listing.cluster, listing.revision), &view.expected(), OPERATION).await?;
        publisher.retain_skipped(|key| view.has(key));
        publisher.replace(view.instances());
        let known = Known { publisher, view, revision: listing.revision, cluster: listing.cluster, trusted: true };
        publisher.set_cursor(Some(known.cursor()));
        Ok((known, feed))
    }

    /// Whether a watch and what was read before it are of one history: in between the server may have been restored, and
    /// then a watch from a revision to come would be silent.
    pub(crate) async fn unchanged(
        &self,
        range: &Range,
        feed: &Feed,
        (cluster, revision): (u64, i64),
        expected: &Expected,
        operation: &'static str,
    ) -> Result<(), Failure> {
        // A member may lag behind the one that was read from, so that a smaller revision alone tells nothing.
        let same = feed.cluster == cluster
            && (feed.revision >= revision || is_same_history(&self.pool, range, revision, expected, operation).await?);
        if same {
            return Ok(());
        }
        let changed = error(ErrorKind::Unavailable, operation, "the cluster changed while it was read");
        Err(Failure::new(changed, Blame::Nobody))
    }

    fn wanted<'a>(&self, range: &'a Range, from: i64) -> Wanted<'a> {
        let (silence, answer) = self.watch_check;
        Wanted { range, from, silence, answer, operation: OPERATION }
    }

    fn next_audit(&self) -> Instant {
        Instant::now() + spread(&*self.randomness, self.audit, defaults::AUDIT_JITTER)
    }

    fn audit(
        &self,
        range: Range,
        revision: i64,
        expected: Expected,
    ) -> impl Future<Output = Result<bool, Failure>> + Send + 'static {
        let pool = Arc::clone(&self.pool);
        async move { is_complete(&pool, pool.deadline(), &range, revision, &expected, OPERATION).await }
    }
}

/// Publishes what happened, together.
fn take_up(reading: Reading<'_>, known: &mut Known<'_>, news: News) {
    if !news.events.is_empty() {
        let changes = known.view.apply(reading, news.events);
        reading.publisher.apply(changes);
    }
    if news.revision > known.revision {
        known.revision = news.revision;
        reading.publisher.set_cursor(Some(known.cursor()));
    }
}
