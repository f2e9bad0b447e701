//! Picks while the set changes.

use crate::harness::tail::Load;

/// `n` instances; `pick` is a pick with clone and ticket, `update` gives one instance another weight and has it taken
/// over by the endpoints.
pub fn load(n: usize) -> Option<Load> {
    let _ = n;
    None
}
