//! What all handles of a channel share.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backend, DefaultEndpointer, EndpointCell, Endpointer, Randomness};
use sd_lb::Budget;

use crate::connection::Connection;
use crate::service_config::ServiceConfig;

pub(crate) struct Shared {
    /// What it is called in errors.
    pub(crate) name: String,
    pub(crate) endpointer: Arc<DefaultEndpointer<Connection>>,
    pub(crate) config: ServiceConfig,
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) fail_fast: bool,
    pub(crate) wait_timeout: Duration,
    pub(crate) budget: Budget,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// Kept for as long as it is followed.
    pub(crate) _registry: Option<Arc<dyn Backend>>,
}

impl Shared {
    pub(crate) fn cell(&self) -> &EndpointCell<Connection> {
        self.endpointer.cell()
    }

    /// Notes a call.
    pub(crate) fn begin(&self, can_be_retried: bool) {
        if can_be_retried && self.config.throttle.is_none() {
            self.budget.deposit();
        }
    }

    /// Notes an answer that stands.
    pub(crate) fn succeeded(&self) {
        if let Some(throttle) = &self.config.throttle {
            throttle.succeeded();
        }
    }

    /// Notes a failed attempt; says whether another one may follow, where one is `wanted`.
    pub(crate) fn may_retry(&self, wanted: bool) -> bool {
        match &self.config.throttle {
            Some(throttle) => throttle.failed() && wanted,
            None => wanted && self.budget.withdraw(),
        }
    }
}
