//! Ours. Each function is one arm of one case; `None` means that the library does not have it yet, and the case then
//! prints what the references cost, as comments.

pub mod call;
pub mod change;
pub mod choose;
pub mod endpoints;
pub mod grpc;
pub mod heap;
pub mod pick;
pub mod registry;
pub mod tail;

/// Which policy chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// Any, by weight.
    Random,
}

impl Policy {
    /// Both, with the name of their case.
    pub const ALL: [(Self, &'static str); 2] = [(Self::RoundRobin, "round_robin"), (Self::Random, "random")];
}

#[cfg(test)]
mod tests {
    //! What is promised of ours on any machine, however fast or busy it is.

    use std::any::Any;

    use super::*;
    use crate::cases::call::Kind;
    use crate::floors::chunked::Change;
    use crate::harness::Make;
    use crate::harness::alloc::{count, heap_of};

    /// Allocations per operation, once warm.
    fn allocations(make: Option<Make>) -> f64 {
        const TIMES: u64 = 1_000;
        let mut run = make.unwrap().build().unwrap();
        run(TIMES);
        let before = count();
        run(TIMES);
        (count() - before) as f64 / TIMES as f64
    }

    #[test]
    fn choosing_picking_and_calling_allocate_nothing() {
        for (policy, name) in Policy::ALL {
            for make in [choose::shared(policy, 100), choose::owned(policy, 100)] {
                assert!(allocations(make) < 0.01, "choosing, {name}");
            }
            for make in [pick::handle(policy, 100), pick::cloned_handle(policy, 100), pick::shared(policy, 100)] {
                assert!(allocations(make) < 0.01, "picking, {name}");
            }
        }
        for (kind, cloned) in [(Kind::FirstTry, false), (Kind::FirstTry, true), (Kind::PendingOnce, false)] {
            assert!(allocations(call::retry(kind, cloned, 100)) < 0.01, "calling, {kind:?}, cloned: {cloned}");
        }
    }

    #[test]
    fn a_change_allocates_about_the_same_among_many_as_among_few() {
        for (change, name) in Change::ALL {
            // One looks at the heap at a time, and what is built here would be in another's sum.
            let ([few, many], _) = heap_of(|| [1_000, 30_000].map(|n| allocations(change::publish(change, n))));
            assert!(many < few * 1.5, "{name}: {few} among 1,000, {many} among 30,000");
        }
    }

    #[test]
    fn an_instance_weighs_no_more_than_is_promised() {
        const N: usize = 100_000;
        for layer in heap::layers(N).unwrap() {
            let (built, bytes): (anyhow::Result<Box<dyn Any>>, i64) = heap_of(&layer.build);
            built.unwrap();
            // What other tests do at the same time is in it.
            let most = layer.promised.map_or(f64::INFINITY, |promised| promised + 1.0);
            let each = bytes as f64 / N as f64;
            assert!(each <= most, "{}: {each} bytes", layer.name);
        }
    }
}
