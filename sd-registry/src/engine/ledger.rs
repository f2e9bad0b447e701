//! The acts that the API offers, on whatever keeps the registrations.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{Error, Owner, ServiceName};

use crate::engine::view::View;
use crate::engine::watcher::Scope;

/// A registration that is asked for; everything in it has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    /// In sd-core's JSON codec, the owner included.
    pub(crate) instance: Box<str>,
    pub(crate) ttl: Duration,
    /// This owner has held the id before: what another wrote there meanwhile is newer, and is left alone.
    pub(crate) prior: bool,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) revision: u64,
    /// The id was free.
    pub(crate) created: bool,
    /// Another owner held it.
    pub(crate) took_over: bool,
}

/// A changed instance; everything in it has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    pub(crate) instance: Box<str>,
}

/// What became of a deregistration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) revision: u64,
    pub(crate) removed: bool,
}

/// Who renews what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewal<'a> {
    pub(crate) service: &'a str,
    pub(crate) id: &'a str,
    pub(crate) owner: &'a str,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    Ok,
    /// Nobody holds the id: register again.
    Gone,
    /// Another owner holds the id.
    Superseded,
}

/// Why an act was not done. Nothing is half done.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// There is no such instance.
    NotFound { service: ServiceName, id: Arc<str> },
    /// Another owner holds the id.
    Superseded { service: ServiceName, id: Arc<str> },
    /// A limit is reached.
    Full(String),
    /// The input can't be kept.
    Invalid(Error),
    /// The store can't write, or the registry behind can't be reached, or the centre stops.
    Unavailable(Error),
}

/// How the registrations are kept just now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// `memory`, `disk`, or the scheme of the registry behind.
    pub(crate) store: &'static str,
    /// What is in the way of writing, if anything is.
    pub(crate) trouble: Option<String>,
    /// Since when evictions are stopped, in milliseconds, and how many lapsed entries that keeps.
    pub(crate) preserving: Option<(u64, usize)>,
}

/// Why what is known of a registry behind is not fresh.
#[derive(Debug, Clone)]
pub(crate) struct Stale {
    pub(crate) for_ms: u64,
    pub(crate) error: String,
}

/// Keeps something followed while it lives.
pub(crate) type Following = Box<dyn Freshness>;

/// How fresh what is followed is.
#[async_trait]
pub(crate) trait Freshness: std::fmt::Debug + Send + Sync {
    /// `None` while it is fresh.
    fn stale(&self) -> Option<Stale>;

    /// Resolves when [`stale`](Self::stale) may have changed. Cancel safe.
    async fn changed(&mut self);
}

/// What keeps registrations: the engine, or a front over another registry.
#[async_trait]
pub(crate) trait Ledger: std::fmt::Debug + Send + Sync + 'static {
    fn view(&self) -> &Arc<View>;

    async fn register(&self, put: Put) -> Result<Registered, Refusal>;

    async fn update(&self, update: Update) -> Result<u64, Refusal>;

    /// With an owner: that owner's entry, or nothing. Without: whosoever it is.
    async fn deregister(&self, service: ServiceName, id: Arc<str>, owner: Option<Owner>) -> Result<Removed, Refusal>;

    async fn drain(&self, service: ServiceName, id: Arc<str>) -> Result<u64, Refusal>;

    /// Never waits: renewals must get through when nothing else does.
    fn renew(&self, renewals: &[Renewal<'_>]) -> Vec<Renewed>;

    /// Milliseconds until an entry expires; `None` where something else holds it.
    fn expires_in(&self, entry: &crate::engine::entry::Entry) -> Option<u64>;

    /// Makes sure that the view shows `scope` for as long as the answer lives, and waits until it does.
    ///
    /// # Errors
    /// `Unavailable`, when nothing is known of it and nothing can be learned in time.
    async fn follow(&self, scope: &Scope) -> Result<Following, Refusal>;

    fn condition(&self) -> Condition;

    /// Stops taking acts, and resolves when all that was acknowledged is safe.
    async fn close(&self);
}

/// What the engine holds is always fresh.
#[derive(Debug)]
pub(crate) struct AlwaysFresh;

#[async_trait]
impl Freshness for AlwaysFresh {
    fn stale(&self) -> Option<Stale> {
        None
    }

    async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }
}
