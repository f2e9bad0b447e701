//! One member: told by push, asked for heartbeats, in the registry for as long as it answers.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use sd_core::{Backoff, Owner, default_randomness, defaults};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::engine::ledger::{Put, Refusal, Renewal, Renewed};
use crate::http::problem::Problem;
use crate::push::callback::Called;
use crate::push::delivery::{Delivery, Pushed};
use crate::push::following::Required;
use crate::push::patch::{Patch, Provider};
use crate::push::posted::Posted;
use crate::push::shelf::Saved;
use crate::push::{Context, Key};

/// A registrant is answered within this time: it has the present set then, or is refused.
pub(crate) const FIRST_PUSH: Duration = Duration::from_secs(3);
/// A later push may take this long. Longer than the first: one that is given up may still arrive.
const PUSH: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 3;
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

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
}

/// A registration that has been accepted.
struct Standing {
    posted: Arc<Posted>,
    owner: Owner,
    /// `None` until the registry behind can be read.
    required: Option<Required>,
    delivery: Delivery,
    /// Whether it stands in the registry.
    is_in: bool,
    failing_since: Option<Instant>,
    attempt: u32,
    backoff: Backoff,
    /// No push before this.
    push_at: Instant,
}

type Providers = BTreeSet<Provider>;
type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// What runs beside the orders.
struct Running {
    pushing: Option<(Patch, Future<Pushed>)>,
    beat: Future<bool>,
}

impl Member {
    pub(crate) fn new(context: Arc<Context>, key: Key, number: u64, orders: mpsc::Receiver<Order>) -> Self {
        Self { context, key, number, orders, standing: None }
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

    pub(crate) fn url(&self) -> Option<String> {
        self.standing.as_ref().map(|standing| standing.posted.url.clone())
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
            return match self.orders.recv().await {
                Some(order) => self.obey(order, running).await,
                None => false,
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
        self.standing.is_some()
    }

    /// Tells the registrant who is there, and registers it.
    async fn accept(&mut self, posted: Arc<Posted>, deadline: Instant) -> Result<(), String> {
        let before = std::mem::take(&mut self.standing);
        let mut delivery = match &before {
            Some(before) => Delivery::starting_over(&before.delivery),
            None => Delivery::default(),
        };
        let accepted = self.enter(&posted, &mut delivery, deadline).await;
        match (accepted, before) {
            (Ok(standing), before) => {
                if let Some(before) = before.filter(|before| before.posted.url != posted.url) {
                    self.context.shelf.remove(before.posted.key.service.as_str(), &before.posted.url).await;
                }
                self.context.known_as(&self.key, self.number, &posted.url);
                self.standing = Some(Standing { delivery, ..standing });
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

impl Standing {
    fn new(posted: Arc<Posted>, owner: Owner, required: Option<Required>, delivery: Delivery, is_in: bool) -> Self {
        Self {
            posted,
            owner,
            required,
            delivery,
            is_in,
            failing_since: None,
            attempt: 0,
            backoff: Backoff::default(),
            push_at: Instant::now(),
        }
    }

    async fn register(&mut self, context: &Context, prior: bool) -> Result<(), Refusal> {
        let instance = self.posted.encode(&self.owner).map_err(|why| Refusal::Invalid(sd_core::Error::config(why)))?;
        let Key { service, id } = self.posted.key.clone();
        // Renewed by every heartbeat that is answered; this bounds what a centre that stands still leaves behind.
        let ttl = (4 * (context.rules.heartbeat + HEARTBEAT)).max(defaults::TTL);
        let put = Put { service, id, owner: self.owner.clone(), instance, ttl, prior };
        context.ledger.register(put).await?;
        self.is_in = true;
        Ok(())
    }

    async fn leave(&mut self, context: &Context) -> Result<(), String> {
        let Key { service, id } = self.posted.key.clone();
        context.ledger.deregister(service, id, Some(self.owner.clone())).await.map_err(told)?;
        self.is_in = false;
        Ok(())
    }

    /// Its heartbeat was answered; `false` when another holds its id.
    async fn alive(&mut self, context: &Context) -> bool {
        (self.attempt, self.failing_since) = (0, None);
        let Key { service, id } = &self.posted.key;
        if self.is_in {
            let renewal = Renewal { service: service.as_str(), id, owner: self.owner.as_str() };
            match context.ledger.renew(&[renewal]).first() {
                Some(Renewed::Ok) => return true,
                Some(Renewed::Superseded) => {
                    tracing::info!(%service, %id, "registered by push, and taken over by another registrant");
                    return false;
                }
                Some(Renewed::Gone) | None => {}
            }
        } else {
            tracing::info!(%service, %id, "its heartbeat is answered again: it is back");
        }
        match self.register(context, true).await {
            Err(Refusal::Superseded { .. }) => false,
            // What is in the way may pass: the next heartbeat tries again.
            Ok(()) | Err(_) => true,
        }
    }

    /// Its heartbeat was not answered; `false` when it has not been for too long.
    async fn silent(&mut self, context: &Context) -> bool {
        context.metrics.heartbeats_failed.one();
        let Key { service, id } = &self.posted.key;
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        self.attempt = (self.attempt + 1) % ATTEMPTS;
        if self.is_in {
            tracing::info!(%service, %id, "its heartbeat is not answered: it is out");
            // Where that fails the next attempt does it, or its lease lapses.
            drop(self.leave(context).await);
        }
        let stays = since.elapsed() < context.rules.deregister_after;
        if !stays {
            tracing::info!(service = %self.posted.key.service, "its heartbeat was not answered for too long: forgotten");
        }
        stays
    }

    /// Begins the next push, if there is one and it is time.
    async fn push(&mut self, context: &Context, running: &mut Running) {
        if running.pushing.is_some() || Instant::now() < self.push_at {
            return;
        }
        if self.required.is_none() {
            match Required::follow(&context.ledger, &self.posted.requires, &mut self.delivery).await {
                Ok(required) => self.required = Some(required),
                Err(_) => {
                    self.push_at = Instant::now() + self.backoff.failed();
                    return;
                }
            }
        }
        let Some(patch) = self.delivery.next() else { return };
        if context.shelf.keeps() {
            let (has, unsure) = self.delivery.sending(&patch);
            self.write_down(context, has, unsure, false).await;
        }
        let (posted, sent) = (Arc::clone(&self.posted), patch.clone());
        running.pushing = Some((patch, Box::pin(async move { push(&posted, &sent, PUSH).await })));
    }

    async fn pushed(&mut self, context: &Context, running: &mut Running, pushed: &Pushed) {
        let Some((patch, _)) = running.pushing.take() else { return };
        self.delivery.settle(&patch, pushed);
        match pushed {
            Pushed::Delivered => {
                context.metrics.pushes.one();
                self.backoff.succeeded();
                if context.shelf.keeps() {
                    self.save(context, false).await;
                }
            }
            Pushed::NotSent(why) | Pushed::Unknown(why) => {
                context.metrics.pushes_failed.one();
                tracing::debug!(service = %self.posted.key.service, url = self.posted.update.url, why, "not pushed");
                self.push_at = Instant::now() + self.backoff.failed();
            }
        }
    }

    async fn save(&self, context: &Context, durable: bool) {
        let (has, unsure) = self.delivery.known();
        self.write_down(context, has, unsure, durable).await;
    }

    async fn write_down(&self, context: &Context, has: Providers, unsure: Providers, durable: bool) {
        if let Err(error) = context.shelf.save(&saved(&self.posted, &self.owner, has, unsure), durable).await {
            tracing::warn!(error, "what a receiver has can't be written down: after a restart it may be told again");
        }
    }
}

fn saved(posted: &Posted, owner: &Owner, has: Providers, unsure: Providers) -> Saved {
    Saved {
        service: posted.key.service.to_string(),
        url: posted.url.clone(),
        requires: posted.requires.iter().map(ToString::to_string).collect(),
        update: posted.update.clone(),
        heartbeat: posted.heartbeat.clone(),
        owner: owner.as_str().to_owned(),
        has,
        unsure,
    }
}

async fn push(posted: &Posted, patch: &Patch, within: Duration) -> Pushed {
    match posted.update.call(Method::POST, Some(patch.to_json()), within).await {
        // The article's centre asks no more of an answer than that there is one.
        Called::Answered(_) => Pushed::Delivered,
        Called::NotSent(why) => Pushed::NotSent(why),
        Called::Unknown(why) => Pushed::Unknown(why),
    }
}

fn heartbeat(posted: &Arc<Posted>, delay: Duration) -> Future<bool> {
    let posted = Arc::clone(posted);
    Box::pin(async move {
        sleep(delay).await;
        matches!(posted.heartbeat.call(Method::GET, None, HEARTBEAT).await, Called::Answered(StatusCode::OK))
    })
}

fn told(refusal: Refusal) -> String {
    Problem::from(refusal).into_detail()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
