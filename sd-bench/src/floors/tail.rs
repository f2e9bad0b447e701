//! The floor of picking while the set changes: a look and a clone, beside a copy-on-write change.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::chunked::Chunked;
use crate::data::{Jumps, Member};
use crate::harness::tail::Load;

/// What the output calls it.
pub const NAME: &str = "floor: counter + ArcSwap::load + Arc clone, beside two-level copy-on-write changes";

/// `n` members; each change gives one of them another weight.
#[must_use]
pub fn load(n: usize) -> Load {
    let set = Arc::new(ArcSwap::from_pointee(Chunked::new(n)));
    let changing = Arc::clone(&set);
    let mut jumps = Jumps::over(n);
    let mut weight = 1;
    let mut counter = 0_usize;
    Load {
        pick: Box::new(move || {
            let set = set.load();
            let at = if counter < set.len() { counter } else { 0 };
            counter = at + 1;
            std::hint::black_box(set.get(at).cloned());
        }),
        update: Box::new(move || {
            let at = jumps.next();
            weight += 1;
            let next = changing.load().set(at, Arc::new(Member { weight, ..Member::new(at) }));
            changing.store(Arc::new(next));
        }),
    }
}
