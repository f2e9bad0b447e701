//! Something that is followed for as long as somebody looks.

use async_trait::async_trait;
use sd_core::Freshness as Known;
use tokio::sync::watch;

use crate::engine::clock::millis;
use crate::engine::ledger::{Freshness, Stale};

/// What is known of it now; while this lives, it is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) known: watch::Receiver<Known>,
}

impl Followed {
    /// Resolves once something is known. Cancel safe.
    pub(crate) async fn settled(&mut self) {
        drop(self.known.wait_for(|known| !known.is_pending()).await);
    }
}

#[async_trait]
impl Freshness for Followed {
    fn stale(&self) -> Option<Stale> {
        let known = self.known.borrow();
        if known.is_live() {
            return None;
        }
        let error = known.error().map_or_else(|| "nothing is known yet".to_owned(), ToString::to_string);
        Some(Stale { for_ms: known.age().map_or(0, millis), error })
    }

    async fn changed(&mut self) {
        if self.known.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Tells those who follow, if it is another kind of freshness than before.
pub(crate) fn tell(sender: &watch::Sender<Known>, now: Known) {
    sender.send_if_modified(|known| {
        let another = (known.is_live(), known.is_stale()) != (now.is_live(), now.is_stale())
            || known.error().is_some() != now.error().is_some();
        if another {
            *known = now;
        }
        another
    });
}
