//! The cases: which of ours stands beside which floor and peer, at which sizes, and what is promised.

pub mod call;
mod centre;
mod change;
mod choose;
mod grpc;
mod heap;
mod pick;
mod registry;
mod tail;

use crate::harness::Case;

/// All of them, in the order in which they are printed.
pub fn all() -> Vec<Case> {
    let mut all = choose::cases();
    all.extend(pick::cases());
    all.extend(call::cases());
    all.extend(change::cases());
    all.extend(tail::cases());
    all.extend(heap::cases());
    all.extend(grpc::cases());
    all.extend(registry::cases());
    all.extend(centre::cases());
    all
}

/// The sizes at which a choice and a pick are measured.
const SIZES: [usize; 3] = [3, 100, 10_000];
