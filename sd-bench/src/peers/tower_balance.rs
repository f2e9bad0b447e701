//! tower 0.5: power of two choices by pending requests, alone and behind a `Buffer` as tonic arranges it.
//!
//! tower has no pick apart from the call: what is measured is ready, and a call of a service that does nothing.

use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::{Service as _, ServiceExt as _};

use crate::harness::Make;
use crate::services::NoOp;

/// What the output calls [`pending`].
pub const PENDING: &str = "peer: tower p2c pending, ready + no-op call";

/// What the output calls [`buffered`].
pub const BUFFERED: &str = "peer: tower p2c pending behind Buffer, ready + no-op call";

type P2c = Balance<ServiceList<Vec<PendingRequests<NoOp>>>, u64>;

/// A balancer over `n` services.
#[must_use]
pub fn balance(n: usize) -> P2c {
    let services = (0..n).map(|_| PendingRequests::new(NoOp, CompleteOnResponse::default())).collect();
    Balance::new(ServiceList::new(services))
}

/// Ready and call of a balancer that one task owns.
#[must_use]
pub fn pending(n: usize) -> Make {
    Make::future(async move || {
        let mut balance = balance(n);
        call(&mut balance).await?;
        Ok(async move || call(&mut balance).await.is_ok())
    })
}

/// Ready and call through a `Buffer`, whose worker is a task on the same thread.
#[must_use]
pub fn buffered(n: usize) -> Make {
    Make::future(async move || {
        let mut buffer = Buffer::new(balance(n), 1024);
        let first = buffer.ready().await.map_err(anyhow::Error::from_boxed)?;
        first.call(7).await.map_err(anyhow::Error::from_boxed)?;
        Ok(async move || match buffer.ready().await {
            Ok(ready) => ready.call(7).await.is_ok(),
            Err(_) => false,
        })
    })
}

async fn call(balance: &mut P2c) -> anyhow::Result<u64> {
    let ready = balance.ready().await.map_err(anyhow::Error::from_boxed)?;
    ready.call(7).await.map_err(anyhow::Error::from_boxed)
}
