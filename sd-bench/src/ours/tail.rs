//! Picks while the set changes.

use sd_core::{EndpointHandle, PickRequest};

use super::change::put;
use super::endpoints::Followed;
use crate::data::Jumps;
use crate::harness::tail::Load;

/// `n` instances; `pick` is a pick with clone and ticket, `update` gives one instance another weight and has it taken
/// over by the endpoints.
pub fn load(n: usize) -> anyhow::Result<Option<Load>> {
    let followed = Followed::start(n)?;
    let mut handle = EndpointHandle::new(followed.cell().clone());
    let mut jumps = Jumps::over(n);
    let mut weight = 1;
    Ok(Some(Load {
        pick: Box::new(move || {
            std::hint::black_box(handle.pick(PickRequest::new()).is_ok());
        }),
        update: Box::new(move || {
            weight += 1;
            followed.publish(put(jumps.next(), weight));
        }),
    }))
}
