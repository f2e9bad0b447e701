//! A registration that has been accepted: in the registry or out of it, and what its receiver has been told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backoff, Owner, defaults};
use tokio::time::Instant;

use crate::engine::ledger::{Put, Refusal, Renewal, Renewed};
use crate::http::problem::Problem;
use crate::push::delivery::{Delivery, Pushed};
use crate::push::following::Required;
use crate::push::patch::Provider;
use crate::push::posted::Posted;
use crate::push::running::{HEARTBEAT, Running, push};
use crate::push::shelf::Saved;
use crate::push::{Context, Key};

/// A later push may take this long. Longer than the first: one that is given up may still arrive.
const PUSH: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

type Providers = BTreeSet<Provider>;

/// A registration that has been accepted.
pub(super) struct Standing {
    pub(super) posted: Arc<Posted>,
    owner: Owner,
    /// `None` until the registry behind can be read.
    pub(super) required: Option<Required>,
    pub(super) delivery: Delivery,
    /// Whether it stands in the registry.
    is_in: bool,
    failing_since: Option<Instant>,
    pub(super) attempt: u32,
    backoff: Backoff,
    /// No push before this.
    pub(super) push_at: Instant,
}

impl Standing {
    pub(super) fn new(
        posted: Arc<Posted>,
        owner: Owner,
        required: Option<Required>,
        delivery: Delivery,
        is_in: bool,
    ) -> Self {
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

    pub(super) async fn register(&mut self, context: &Context, prior: bool) -> Result<(), Refusal> {
        let instance = self.posted.encode(&self.owner).map_err(|why| Refusal::Invalid(sd_core::Error::config(why)))?;
        let Key { service, id } = self.posted.key.clone();
        // Renewed by every heartbeat that is answered; this bounds what a centre that stands still leaves behind.
        let ttl = (4 * (context.rules.heartbeat + HEARTBEAT)).max(defaults::TTL);
        let put = Put { service, id, owner: self.owner.clone(), instance, ttl, prior };
        context.ledger.register(put).await?;
        self.is_in = true;
        Ok(())
    }

    pub(super) async fn leave(&mut self, context: &Context) -> Result<(), String> {
        let Key { service, id } = self.posted.key.clone();
        context.ledger.deregister(service, id, Some(self.owner.clone())).await.map_err(told)?;
        self.is_in = false;
        Ok(())
    }

    /// Its heartbeat was answered; `false` when another holds its id.
    pub(super) async fn alive(&mut self, context: &Context) -> bool {
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
    pub(super) async fn silent(&mut self, context: &Context) -> bool {
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
    pub(super) async fn push(&mut self, context: &Context, running: &mut Running) {
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

    pub(super) async fn pushed(&mut self, context: &Context, running: &mut Running, pushed: &Pushed) {
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

    pub(super) async fn save(&self, context: &Context, durable: bool) {
        let (has, unsure) = self.delivery.known();
        self.write_down(context, has, unsure, durable).await;
    }

    async fn write_down(&self, context: &Context, has: Providers, unsure: Providers, durable: bool) {
        if let Err(error) = context.shelf.save(&saved(&self.posted, &self.owner, has, unsure), durable).await {
            tracing::warn!(error, "what a receiver has can't be written down: after a restart it may be told again");
        }
    }
}

/// As it is kept over restarts.
pub(super) fn saved(posted: &Posted, owner: &Owner, has: Providers, unsure: Providers) -> Saved {
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

pub(super) fn told(refusal: Refusal) -> String {
    Problem::from(refusal).into_detail()
}
