//! Picking: a clone of the service and a ticket, both dropped again.
//!
//! The service is an `Arc`, as the floor's is: a clone of a real one (a channel, a pool) costs no less.

use std::sync::Arc;

use sd_core::{Endpointer as _, FixedEndpointer, PickRequest};

use super::Policy;
use super::endpoints::fixed;
use crate::data::Member;
use crate::harness::Make;

fn endpointer(policy: Policy, n: usize) -> FixedEndpointer<Arc<Member>> {
    fixed(policy, n, |index| Arc::new(Member::new(index)))
}

/// Through one handle per thread.
pub fn handle(policy: Policy, n: usize) -> Option<Make> {
    let endpointer = endpointer(policy, n);
    Some(Make::op(move || {
        let mut handle = endpointer.handle();
        Ok(move || handle.pick(PickRequest::new()))
    }))
}

/// Through a handle that is cloned for the pick, and dropped again.
pub fn cloned_handle(policy: Policy, n: usize) -> Option<Make> {
    let endpointer = endpointer(policy, n);
    let shared = endpointer.handle();
    Some(Make::op(move || {
        // One for all threads, as an application's state is.
        let handle = shared.clone();
        Ok(move || handle.clone().pick(PickRequest::new()))
    }))
}

/// Through a shared reference, counting in the thread's own counters.
pub fn shared(policy: Policy, n: usize) -> Option<Make> {
    let endpointer = endpointer(policy, n);
    Some(Make::op(move || {
        let cell = Arc::clone(endpointer.cell());
        Ok(move || cell.pick(PickRequest::new()))
    }))
}
