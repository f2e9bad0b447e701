//! Taking away what should have been taken away already.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::holdings::Holdings;
use crate::node::{Found, remove};
use crate::session::Sweeping;

/// How long to wait before a removal that failed is tried again, though the connection stands.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes away what could not be removed when it was asked for: as soon as the session is connected again. Lasts as long
/// as the session does.
pub(crate) async fn take_away_remnants(session: &Sweeping, holdings: &Arc<Holdings>, request_timeout: Duration) {
    let mut failed = holdings.failed_removals();
    // What the session before has left.
    failed.mark_changed();
    loop {
        if failed.changed().await.is_err() {
            return;
        }
        session.connected().await;
        let mut again = false;
        for (path, owner) in holdings.leaving() {
            let ours = |found: &Found| {
                found.is_of(&owner, found.session() == session.id && !holdings.wanted_by_another(&path, &owner))
            };
            let deadline = Instant::now() + request_timeout;
            match remove(&session.client, &path, deadline, ours).await {
                Ok(()) => holdings.left(&path, &owner),
                Err(failure) => {
                    tracing::debug!(error = %failure.error, path, "a remnant could not be taken away");
                    again = true;
                }
            }
        }
        if again {
            tokio::time::sleep(PAUSE).await;
            failed.mark_changed();
        }
    }
}
