//! What every handler needs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::ledger::Ledger;
use crate::engine::limits::Limits;
use crate::http::access::Tokens;
use crate::http::guard::Guard;
use crate::metrics::Metrics;
use crate::push::Push;

/// Shared by all handlers; a clone is a pointer.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<AppState>);

/// See [`App`].
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) limits: Limits,
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) guard: Guard,
    pub(crate) push: Push,
    pub(crate) metrics: Arc<Metrics>,
    /// A stream says something at least this often.
    pub(crate) heartbeat: Duration,
    /// True once the centre is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) started: Instant,
}

impl App {
    pub(crate) fn new(state: AppState) -> Self {
        Self(Arc::new(state))
    }
}

impl std::ops::Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}
