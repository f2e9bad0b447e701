//! The floor of a call through retry and timeout: a loop within `tokio::time::timeout`.

use std::time::Duration;

use tower::Service;

use crate::harness::Make;

/// What the output calls it.
pub const NAME: &str = "floor: tokio::time::timeout(loop)";

/// How often a call is tried, here and by everyone who is compared.
pub const ATTEMPTS: usize = 3;

/// How long a call may take, here and for everyone who is compared.
pub const WITHIN: Duration = Duration::from_secs(3);

/// A loop of at most [`ATTEMPTS`] calls, within [`WITHIN`].
#[must_use]
pub fn timeout_loop<S>(service: S) -> Make
where
    S: Service<u64> + Clone + Send + Sync + 'static,
{
    Make::future(async move || {
        let mut service = service.clone();
        Ok(async move || {
            tokio::time::timeout(WITHIN, async {
                let mut left = ATTEMPTS;
                loop {
                    left -= 1;
                    let answer = service.call(7).await;
                    if answer.is_ok() || left == 0 {
                        return answer;
                    }
                }
            })
            .await
            .is_ok()
        })
    })
}
