//! Choosing: the index of a member, through `dyn Picker`.

use std::sync::Arc;

use sd_core::{Endpointer as _, PickRequest};

use super::Policy;
use super::endpoints::{Uncalled, fixed};
use crate::harness::Make;

/// Through a shared reference: the set is looked at for each choice, the turn is the thread's.
pub fn shared(policy: Policy, n: usize) -> Option<Make> {
    let endpointer = fixed(policy, n, |_| Uncalled);
    Some(Make::op(move || {
        let cell = Arc::clone(endpointer.cell());
        Ok(move || cell.choose(PickRequest::new()))
    }))
}

/// Through a handle that the thread owns: its own turn and its own cached set.
pub fn owned(policy: Policy, n: usize) -> Option<Make> {
    let endpointer = fixed(policy, n, |_| Uncalled);
    Some(Make::op(move || {
        let mut handle = endpointer.handle();
        Ok(move || handle.choose(PickRequest::new()))
    }))
}
