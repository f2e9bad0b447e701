//! volo 0.12: `WeightedRandomBalance`, driven without volo's RPC stack: its balancer needs no more than a `Discover` and
//! an `Endpoint`. A pick looks the service up in a concurrent map, clones the list's `Arc`, and draws by binary search.

use std::sync::Arc;

use anyhow::Context as _;
use volo::context::Endpoint;
use volo::discovery::StaticDiscover;
use volo::loadbalance::LoadBalance;
use volo::loadbalance::random::WeightedRandomBalance;

use crate::data::address;
use crate::harness::Make;

/// What the output calls it.
pub const NAME: &str = "peer: volo WeightedRandom get_picker + next";

type Volo = (StaticDiscover, WeightedRandomBalance<()>);

/// A balancer over `n` instances.
#[must_use]
pub fn balancer(n: usize) -> Volo {
    let addresses: Vec<_> = (0..n).map(address).collect();
    let discover = StaticDiscover::from(addresses);
    let balance = WeightedRandomBalance::with_discover(&discover);
    (discover, balance)
}

/// A pick.
#[must_use]
pub fn weighted_random(n: usize) -> Make {
    let volo = Arc::new(balancer(n));
    Make::future(async move || {
        let volo = Arc::clone(&volo);
        let endpoint = Endpoint::new("book".into());
        let (discover, balance) = &*volo;
        let first = balance.get_picker(&endpoint, discover).await?.next();
        first.context("volo picks nobody")?;
        Ok(async move || {
            let (discover, balance) = &*volo;
            let picker = balance.get_picker(&endpoint, discover).await;
            picker.ok().and_then(|mut picker| picker.next())
        })
    })
}
