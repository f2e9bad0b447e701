//! tower 0.5: `Timeout` over `Retry` over a service.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use tower::retry::{Policy, Retry};
use tower::timeout::Timeout;
use tower::{Service, ServiceExt as _};

use crate::floors::call::{ATTEMPTS, WITHIN};
use crate::floors::choose::{Published, pick};
use crate::harness::Make;

/// What the output calls it.
pub const NAME: &str = "peer: tower Timeout over Retry";

/// What the output calls it over [`Picked`].
pub const PICKED: &str = "peer: tower Timeout over Retry over the floor's pick";

/// Tries so often.
#[derive(Debug, Clone)]
pub struct Attempts(usize);

impl<Res, E> Policy<u64, Res, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<Res, E>) -> Option<Ready<()>> {
        if result.is_ok() || self.0 <= 1 {
            return None;
        }
        self.0 -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// The stack.
#[must_use]
pub fn stack<S: Clone>(service: S) -> Timeout<Retry<Attempts, S>> {
    Timeout::new(Retry::new(Attempts(ATTEMPTS), service), WITHIN)
}

/// Ready and call; `cloned` clones the stack for each call, as users of tonic and axum do.
#[must_use]
pub fn timeout_retry<S>(service: S, cloned: bool) -> Make
where
    S: Service<u64> + Clone + Send + Sync + 'static,
    S::Error: Into<tower::BoxError>,
{
    Make::future(async move || {
        let mut stack = stack(service.clone());
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

/// A service that first makes the floor's pick.
#[derive(Debug, Clone)]
pub struct Picked<S> {
    set: Published,
    service: S,
}

impl<S> Picked<S> {
    /// Picks from `set`, then calls `service`.
    pub fn new(set: Published, service: S) -> Self {
        Self { set, service }
    }
}

impl<S: Service<u64>> Service<u64> for Picked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> S::Future {
        std::hint::black_box(pick(&self.set));
        self.service.call(request)
    }
}
