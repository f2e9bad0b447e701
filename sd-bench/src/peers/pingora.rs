//! pingora-load-balancing 0.9: `LoadBalancer::select`, which looks at the published selector, steps the algorithm,
//! notes in a hash set whom it has offered, and clones the backend.

use std::sync::Arc;

use anyhow::Context as _;
use pingora_load_balancing::LoadBalancer;
use pingora_load_balancing::selection::weighted::Weighted;
use pingora_load_balancing::selection::{Random, RoundRobin, SelectionAlgorithm};

use crate::data::address;
use crate::harness::Make;

/// More than this it refuses.
pub const MOST: usize = u16::MAX as usize;

/// What the output calls [`round_robin`].
pub const ROUND_ROBIN: &str = "peer: pingora RoundRobin select";

/// What the output calls [`random`].
pub const RANDOM: &str = "peer: pingora Random select";

/// A pick of the next.
pub fn round_robin(n: usize) -> anyhow::Result<Make> {
    select(Arc::new(balancer::<RoundRobin>(n)?))
}

/// A pick of any.
pub fn random(n: usize) -> anyhow::Result<Make> {
    select(Arc::new(balancer::<Random>(n)?))
}

/// A balancer over `n` instances.
pub fn balancer<S>(n: usize) -> anyhow::Result<LoadBalancer<S>>
where
    S: pingora_load_balancing::selection::BackendSelection<Config = ()> + 'static,
    S::Iter: pingora_load_balancing::selection::BackendIter,
{
    let addresses = (0..n).map(address);
    LoadBalancer::try_from_iter(addresses).context("pingora refuses the addresses")
}

fn select<H>(balancer: Arc<LoadBalancer<Weighted<H>>>) -> anyhow::Result<Make>
where
    H: SelectionAlgorithm + Send + Sync + 'static,
{
    balancer.select(b"", 256).context("pingora picks nobody")?;
    Ok(Make::op(move || {
        let balancer = Arc::clone(&balancer);
        Ok(move || balancer.select(b"", 256))
    }))
}
