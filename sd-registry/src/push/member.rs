//! One member: told by push, asked for heartbeats, in the registry for as long as it answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Owner, default_randomness};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::push::delivery::{Delivery, Pushed};
use crate::push::following::Required;
use crate::push::patch::Provider;
use crate::push::posted::Posted;
use crate::push::running::{Future, Running, heartbeat, push};
use crate::push::shelf::Saved;
use crate::push::standing::{Standing, saved, told};
use crate::push::{Context, Key};

/// A registrant is answered within this time: it has the present set then, or is refused.
pub(crate) const FIRST_PUSH: Duration = Duration::from_secs(3);
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

/// For so long it is remembered what a registrant may have been told that was refused in the end.
const DOUBT: Duration = Duration::from_secs(60);

pub(crate) type Reply = oneshot::Sender<Result<(), String>>;

/// What a member is told to do.
pub(crate) enum Order {
    Post { posted: Arc<Posted>, deadline: Instant, reply: Reply },
    Remove { reply: Reply },
}

/// One who registered by push, as a task: everything that concerns it happens here, one after another, but heartbeats
/// and pushes wait for nobody and for each other neither.
pub(crate) struct Member {
    context: Arc<Context>,
    key: Key,
    number: u64,
    orders: mpsc::Receiver<Order>,
    standing: Option<Standing>,
    /// What a receiver may have whose registration was refused after that: one that tries again is not to append it twice.
    doubts: BTreeSet<Provider>,
}

impl Member {
    pub(crate) fn new(context: Arc<Context>, key: Key, number: u64, orders: mpsc::Receiver<Order>) -> Self {
        Self { context, key, number, orders, standing: None, doubts: BTreeSet::new() }
    }

    /// One that an earlier run of the centre has accepted.
    pub(crate) fn restored(mut self, posted: Arc<Posted>, saved: Saved) -> Self {
        let owner = Owner::from_text(&saved.owner);
        let entry = self.context.ledger.view().entry(&self.key.service, &self.key.id);
        let is_in = entry.is_some_and(|entry| entry.owner == owner);
        let delivery = Delivery::knowing(saved.has, saved.unsure);
        self.standing = Some(Standing::new(posted, owner, None, delivery, is_in));
        self
    }

    pub(crate) fn posted(&self) -> Option<&Posted> {
        self.standing.as_ref().map(|standing| &*standing.posted)
    }

    pub(crate) async fn run(mut self) {
        let spread = default_randomness().next_u64() % millis(self.context.rules.heartbeat).max(1);
        // Those of an earlier run are not all asked at once.
        let mut running = self.running(Duration::from_millis(spread));
        while self.turn(&mut running).await {}
        // No order comes from here on; one that is waiting finds its reply dropped, and goes to whoever comes next.
        self.context.leave(&self.key, self.number);
    }

    fn running(&self, delay: Duration) -> Running {
        let beat: Future<bool> = match &self.standing {
            Some(standing) => heartbeat(&standing.posted, delay),
            None => Box::pin(std::future::pending()),
        };
        Running { pushing: None, beat }
    }

    /// Does what comes next; `false` when it was the last.
    async fn turn(&mut self, running: &mut Running) -> bool {
        let Some(standing) = &mut self.standing else {
            return match timeout(DOUBT, self.orders.recv()).await {
                Ok(Some(order)) => self.obey(order, running).await,
                Ok(None) | Err(_) => false,
            };
        };
        standing.push(&self.context, running).await;
        let Standing { required, delivery, .. } = standing;
        let push_at = standing.push_at;
        let waits_to_push = running.pushing.is_none() && (delivery.is_behind() || required.is_none());
        let news = async {
            match required {
                Some(required) => required.next(delivery).await,
                None => std::future::pending().await,
            }
        };
        let pushed = async {
            match &mut running.pushing {
                Some((_, pushing)) => pushing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = self.orders.recv() => match order {
                Some(order) => return self.obey(order, running).await,
                None => return false,
            },
            () = news => {}
            pushed = pushed => standing.pushed(&self.context, running, &pushed).await,
            () = sleep_until(push_at), if waits_to_push => {}
            alive = &mut running.beat => return self.beaten(alive, running).await,
        }
        true
    }

    async fn obey(&mut self, order: Order, running: &mut Running) -> bool {
        let (reply, outcome) = match order {
            Order::Remove { reply } => {
                let removed = match &mut self.standing {
                    Some(standing) => standing.leave(&self.context).await,
                    None => Err("it is not registered".to_owned()),
                };
                if removed.is_ok() {
                    self.forget().await;
                }
                (reply, removed)
            }
            Order::Post { posted, deadline, reply } => {
                if let (Some(standing), Some((patch, _))) = (&mut self.standing, running.pushing.take()) {
                    standing.delivery.settle(&patch, &Pushed::Unknown("broken off".to_owned()));
                }
                let accepted = self.accept(posted, deadline).await;
                if accepted.is_ok() {
                    *running = self.running(self.context.rules.heartbeat);
                }
                (reply, accepted)
            }
        };
        // Whoever asked may have stopped waiting; what was done stays done.
        drop(reply.send(outcome));
        self.standing.is_some() || !self.doubts.is_empty()
    }

    /// Tells the registrant who is there, and registers it.
    async fn accept(&mut self, posted: Arc<Posted>, deadline: Instant) -> Result<(), String> {
        let before = std::mem::take(&mut self.standing);
        let mut delivery = match &before {
            Some(before) => Delivery::starting_over(&before.delivery),
            None => Delivery::default(),
        };
        delivery.doubt(std::mem::take(&mut self.doubts));
        let accepted = self.enter(&posted, &mut delivery, deadline).await;
        match (accepted, before) {
            (Ok(mut standing), before) => {
                if let Some(before) = before.filter(|before| before.posted.url != posted.url) {
                    self.context.shelf.remove(before.posted.key.service.as_str(), &before.posted.url).await;
                }
                self.context.accepted(&self.key, self.number, &posted);
                standing.delivery = delivery;
                self.standing = Some(standing);
                Ok(())
            }
            (Err(error), Some(mut before)) => {
                // It stays as it was, but its receiver may have been told something.
                let (has, mut unsure) = delivery.known();
                unsure.extend(has);
                let (has, doubts) = before.delivery.known();
                unsure.extend(doubts);
                unsure.extend(has);
                before.delivery.doubt(unsure);
                if before.posted.url != posted.url {
                    self.context.shelf.remove(posted.key.service.as_str(), &posted.url).await;
                }
                before.save(&self.context, true).await;
                self.standing = Some(before);
                Err(error)
            }
            (Err(error), None) => {
                let (has, unsure) = delivery.known();
                self.doubts = has.union(&unsure).cloned().collect();
                self.context.shelf.remove(posted.key.service.as_str(), &posted.url).await;
                Err(error)
            }
        }
    }

    async fn enter(
        &self,
        posted: &Arc<Posted>,
        delivery: &mut Delivery,
        deadline: Instant,
    ) -> Result<Standing, String> {
        let (context, late) = (&self.context, |_| format!("not within {FIRST_PUSH:?}"));
        let following = Required::follow(&context.ledger, &posted.requires, delivery);
        let following = tokio::time::timeout_at(deadline, following).await.map_err(late)?;
        let required = following.map_err(told)?;
        for patch in delivery.doubts().into_iter().chain([delivery.first()]) {
            let within = deadline.saturating_duration_since(Instant::now());
            let pushed = push(posted, &patch, within).await;
            delivery.settle(&patch, &pushed);
            if let Pushed::NotSent(why) | Pushed::Unknown(why) = pushed {
                context.metrics.pushes_failed.one();
                return Err(format!("ServiceUpdateURL {:?}: {why}", posted.update.url));
            }
            context.metrics.pushes.one();
        }
        let owner = Owner::random(&*default_randomness());
        let (has, unsure) = delivery.known();
        context.shelf.save(&saved(posted, &owner, has, unsure), true).await?;
        let mut standing = Standing::new(Arc::clone(posted), owner, Some(required), Delivery::default(), false);
        standing.register(context, false).await.map_err(told)?;
        Ok(standing)
    }

    /// Takes in a heartbeat's outcome.
    async fn beaten(&mut self, alive: bool, running: &mut Running) -> bool {
        let rules = &self.context.rules;
        let Some(standing) = &mut self.standing else { return false };
        let stays = if alive { standing.alive(&self.context).await } else { standing.silent(&self.context).await };
        if !stays {
            self.forget().await;
            return false;
        }
        let delay = if standing.attempt == 0 { rules.heartbeat } else { ATTEMPT_PAUSE.min(rules.heartbeat) };
        running.beat = heartbeat(&standing.posted, delay);
        true
    }

    async fn forget(&mut self) {
        if let Some(standing) = self.standing.take() {
            self.context.shelf.remove(standing.posted.key.service.as_str(), &standing.posted.url).await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
