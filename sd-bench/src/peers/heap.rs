//! What `n` instances weigh: builders whose result is kept alive while the heap is read.

use std::any::Any;

use crate::data::members;

/// Builds something with `n` instances in it.
pub type Build = fn(usize) -> anyhow::Result<Box<dyn Any>>;

/// The floor: id and address behind `Arc`s.
pub const FLOOR: &str = "floor: id + address + weight behind Arcs";

/// See [`FLOOR`].
pub fn floor(n: usize) -> anyhow::Result<Box<dyn Any>> {
    Ok(Box::new(members(n)))
}

/// What the output calls [`volo`].
pub const VOLO: &str = "peer: volo StaticDiscover + WeightedRandom";

/// volo's list, after a first pick.
pub fn volo(n: usize) -> anyhow::Result<Box<dyn Any>> {
    let built = super::volo::balancer(n);
    let endpoint = volo::context::Endpoint::new("book".into());
    block_on(async {
        use volo::loadbalance::LoadBalance as _;
        let (discover, balance) = &built;
        drop(balance.get_picker(&endpoint, discover).await);
    })?;
    Ok(Box::new(built))
}

/// What the output calls [`tower`].
pub const TOWER: &str = "peer: tower p2c pending";

/// tower's balancer, all services ready.
pub fn tower(n: usize) -> anyhow::Result<Box<dyn Any>> {
    use tower::ServiceExt as _;
    let mut balance = super::tower_balance::balance(n);
    block_on(async { balance.ready().await.is_ok() })?;
    anyhow::ensure!(balance.len() == n, "tower has not taken all services");
    Ok(Box::new(balance))
}

/// What the output calls [`pingora`].
#[cfg(feature = "pingora")]
pub const PINGORA: &str = "peer: pingora RoundRobin (at 65,535, its most)";

/// pingora's balancer.
#[cfg(feature = "pingora")]
pub fn pingora(n: usize) -> anyhow::Result<Box<dyn Any>> {
    use pingora_load_balancing::selection::RoundRobin;
    Ok(Box::new(super::pingora::balancer::<RoundRobin>(n)?))
}

fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(future))
}
