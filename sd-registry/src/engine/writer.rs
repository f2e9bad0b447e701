//! The one task that changes what is registered: takes acts in batches, writes them, shows them, answers them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_core::{Error, Owner, ServiceName};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::engine::change::Change;
use crate::engine::clock::{Clock, Millis, millis};
use crate::engine::draft::{Draft, Planned};
use crate::engine::lease::{Due, LeaseQueue};
use crate::engine::ledger::{Condition, Put, Refusal, Registered, Removed, Update};
use crate::engine::limits::Limits;
use crate::engine::preservation::{Preservation, Verdict};
use crate::engine::stalls::Stalls;
use crate::engine::view::View;
use crate::metrics::Metrics;
use crate::store::Store;

/// So many acts share one commit at most.
pub(crate) const BATCH: usize = 4_096;
/// While lapsed entries are kept, they are looked at this often.
const KEPT_LOOK: Millis = 500;
/// After a failed commit, lapsed leases are tried again so much later.
const EXPIRE_AGAIN: Duration = Duration::from_secs(1);

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// An act, and who waits for it.
#[derive(Debug)]
pub(crate) enum Command {
    Register(Put, Reply<Registered>),
    Update(Update, Reply<u64>),
    Deregister { service: ServiceName, id: Arc<str>, owner: Option<Owner>, reply: Reply<Removed> },
    Drain { service: ServiceName, id: Arc<str>, reply: Reply<u64> },
}

/// Tells an act's outcome once its batch is done, or why the batch could not be.
type Answer = Box<dyn FnOnce(Option<&Error>) + Send>;

/// Changes, leases, and what to do when they lapse. Nothing but this changes the view.
pub(crate) struct Writer {
    pub(crate) view: Arc<View>,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) stalls: Arc<Stalls>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) condition: Arc<Mutex<Condition>>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) leases: LeaseQueue,
    pub(crate) preservation: Preservation,
    /// Lapsed leases that are kept, and since when.
    pub(crate) kept: BTreeMap<u64, (Due, Millis)>,
    pub(crate) next_lease: u64,
}

impl Writer {
    /// Ends when nobody can send any more, after all that was sent is done.
    pub(crate) async fn run(mut self) {
        let mut commands = Vec::new();
        loop {
            let next = self.next_look().map(|at| self.clock.instant(at));
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                taken = self.commands.recv_many(&mut commands, BATCH) => if taken == 0 { return },
                () = due => {}
            }
            self.turn(&mut commands).await;
        }
    }

    fn next_look(&self) -> Option<Millis> {
        let kept = (!self.kept.is_empty()).then(|| self.clock.now() + KEPT_LOOK);
        self.leases.next().into_iter().chain(kept).min()
    }

    /// One batch.
    async fn turn(&mut self, commands: &mut Vec<Command>) {
        let now = self.clock.now();
        let lapsed = self.take_lapsed(now);
        let mut draft = Draft::new(&self.view, &self.limits, now, &mut self.next_lease);
        let answers: Vec<_> = commands.drain(..).map(|command| plan(command, &mut draft, &self.metrics)).collect();
        // After the acts: who is registered again in this very batch must not be taken away by it.
        let expired: Vec<_> = lapsed.into_iter().filter(|due| draft.held_by(due).is_some()).collect();
        let (expired, renewed): (Vec<_>, Vec<_>) = expired.into_iter().partition(|due| draft.expire(due));
        let planned = draft.planned;
        renewed.into_iter().for_each(|due| self.leases.add(due));
        let error = self.commit(&planned).await.err();
        match &error {
            None => self.show(planned),
            Some(_) => {
                let until = self.clock.now() + millis(EXPIRE_AGAIN);
                for due in &expired {
                    due.lease.go_on();
                    due.lease.extend(until);
                    self.leases.add(due.clone());
                }
            }
        }
        if error.is_none() {
            self.metrics.expired.add(expired.len());
        }
        answers.into_iter().for_each(|answer| answer(error.as_ref()));
        self.tell(error);
    }

    /// Takes lapsed leases out of the queue, and decides which of them end.
    fn take_lapsed(&mut self, now: Millis) -> Vec<Due> {
        let stalled = self.stalls.observe();
        let mut lapsed = self.leases.lapsed(now);
        if stalled > 0 {
            // Nobody could renew while the centre stood still.
            lapsed.retain(|due| {
                let until = stalled.saturating_add(millis(due.lease.ttl));
                due.lease.extend(until);
                if until > now {
                    self.leases.add(due.clone());
                }
                until <= now
            });
        }
        if !lapsed.is_empty() {
            let held = self.leases.len() + self.kept.len() + lapsed.len();
            let before = self.preservation.since();
            if self.preservation.judge(now, lapsed.len(), self.kept.len(), held) == Verdict::Keep {
                if before.is_none() {
                    tracing::warn!(lapsed = lapsed.len(), held, "too many leases lapse at once: evictions stop");
                }
                self.kept.extend(lapsed.drain(..).map(|due| (due.lease.serial, (due, now))));
            }
        }
        lapsed.extend(self.take_kept(now));
        lapsed
    }

    /// What was kept and has been renewed goes on; what was kept for too long, or is kept no more, ends.
    fn take_kept(&mut self, now: Millis) -> Vec<Due> {
        if self.preservation.since().is_none() {
            return Vec::new();
        }
        let age_limit = self.preservation.age_limit();
        let (leases, view) = (&mut self.leases, &self.view);
        let mut ended = Vec::new();
        self.kept.retain(|serial, (due, since)| {
            if due.lease.deadline() > now {
                leases.add(due.clone());
                return false;
            }
            let entry = view.entry(&due.service, &due.id);
            if entry.and_then(|entry| entry.lease.clone()).is_none_or(|lease| lease.serial != *serial) {
                return false;
            }
            if *since + age_limit <= now {
                ended.push(due.clone());
            }
            *since + age_limit > now
        });
        let kept = self.kept.len();
        if self.preservation.recovers(now, kept, self.leases.len() + kept) {
            tracing::info!(kept, "enough leases are renewed again: evictions begin again");
            ended.extend(std::mem::take(&mut self.kept).into_values().map(|(due, _)| due));
        }
        ended
    }

    async fn commit(&mut self, planned: &[Planned]) -> Result<(), Error> {
        if planned.is_empty() {
            return Ok(());
        }
        if let Store::Memory = self.store {
            return Ok(());
        }
        let changes: Arc<Vec<Change>> = Arc::new(planned.iter().map(|planned| planned.change.clone()).collect());
        let view = Arc::clone(&self.view);
        let started = Instant::now();
        let result = self.store.commit(&changes, || view.all_entries().1).await;
        self.metrics.commits.record(started.elapsed());
        result
    }

    /// Shows what has been written, and moves the leases along.
    fn show(&mut self, planned: Vec<Planned>) {
        let mut changes = Vec::with_capacity(planned.len());
        for Planned { change, replaced } in planned {
            let lease = match &change {
                Change::Put(entry) => entry.lease.as_ref().map(|lease| (entry, lease)),
                _ => None,
            };
            if let Some(before) = replaced.as_ref().and_then(|entry| entry.lease.as_ref())
                && lease.is_none_or(|(_, lease)| lease.serial != before.serial)
            {
                self.leases.remove(before);
                self.kept.remove(&before.serial);
            }
            if let Some((entry, lease)) = lease
                && !self.kept.contains_key(&lease.serial)
            {
                let due = Due { service: entry.service.clone(), id: Arc::clone(&entry.id), lease: Arc::clone(lease) };
                self.leases.add(due);
            }
            changes.push(change);
        }
        self.view.apply(changes);
    }

    /// Says how it goes; the log speaks when that changes.
    fn tell(&mut self, error: Option<Error>) {
        let mut condition = self.condition.lock().unwrap_or_else(PoisonError::into_inner);
        match (&error, &condition.trouble) {
            (Some(error), None) => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the store can't be written: acts are refused, reads go on");
            }
            (None, Some(_)) => tracing::info!("the store can be written again"),
            _ => {}
        }
        if error.is_some() {
            self.metrics.commit_failures.one();
        }
        condition.trouble = error.map(|error| error.to_string());
        condition.preserving = self.preservation.since().map(|since| (since, self.kept.len()));
    }
}

/// Plans one act; what is returned answers it when the batch is done.
fn plan(command: Command, draft: &mut Draft<'_>, metrics: &Arc<Metrics>) -> Answer {
    let metrics = Arc::clone(metrics);
    match command {
        Command::Register(put, reply) => {
            let outcome = draft.register(&put);
            answer(reply, outcome, move |registered: &Registered| {
                metrics.registered.one();
                metrics.takeovers.add(usize::from(registered.took_over));
            })
        }
        Command::Update(update, reply) => answer(reply, draft.update(&update), move |_| metrics.updated.one()),
        Command::Deregister { service, id, owner, reply } => {
            let outcome = draft.deregister(&service, &id, owner.as_ref());
            answer(reply, outcome, move |done: &Removed| metrics.deregistered.add(usize::from(done.removed)))
        }
        Command::Drain { service, id, reply } => {
            answer(reply, draft.drain(&service, &id), move |_| metrics.updated.one())
        }
    }
}

fn answer<T: Send + 'static>(
    reply: Reply<T>,
    outcome: Result<T, Refusal>,
    count: impl FnOnce(&T) + Send + 'static,
) -> Answer {
    Box::new(move |error| {
        let outcome = match error {
            Some(error) => outcome.and(Err(Refusal::Unavailable(error.clone()))),
            None => outcome,
        };
        if let Ok(outcome) = &outcome {
            count(outcome);
        }
        // Whoever asked may have stopped waiting; what was done stays done.
        drop(reply.send(outcome));
    })
}
