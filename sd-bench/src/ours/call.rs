//! Calling: `Retry` over `Balanced` over a service that does nothing, round robin, `floors::call::ATTEMPTS` attempts
//! within `floors::call::WITHIN`.

use std::sync::Arc;
use std::time::Duration;

use sd_lb::{Balanced, Budget, Retry};
use tower::{Service, ServiceExt as _};

use super::Policy;
use super::endpoints::fixed;
use crate::cases::call::Kind;
use crate::floors::call::{ATTEMPTS, WITHIN};
use crate::harness::Make;
use crate::services::{NoOp, PendingOnce, RefusesFirst};

/// A whole call. `cloned` clones the stack for each call; the service is the one that `kind` names.
pub fn retry(kind: Kind, cloned: bool, n: usize) -> Option<Make> {
    Some(match kind {
        Kind::FirstTry => stack(retries(), NoOp, cloned, n),
        Kind::PendingOnce => stack(retries(), PendingOnce, cloned, n),
        // Each of these calls is tried again, and the default budget allows one in five.
        Kind::OneRetry => {
            stack(retries().budget(Budget::new(2.0, 10, Duration::from_secs(10)).ok()?), RefusesFirst, cloned, n)
        }
    })
}

fn retries() -> Retry {
    Retry::attempts(ATTEMPTS as u32).within(WITHIN)
}

fn stack<S>(retry: Retry, service: S, cloned: bool, n: usize) -> Make
where
    S: Service<u64> + Copy + Send + Sync + 'static,
{
    let balanced = Balanced::new(Arc::new(fixed(Policy::RoundRobin, n, |_| service)));
    Make::future(async move || {
        let mut stack = retry.clone().wrap(balanced.clone())?;
        Ok(async move || {
            if cloned {
                stack.clone().oneshot(7).await.is_ok()
            } else {
                match stack.ready().await {
                    Ok(ready) => ready.call(7).await.is_ok(),
                    Err(_) => false,
                }
            }
        })
    })
}
