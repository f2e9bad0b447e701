//! Picking: a clone of the service and a ticket, both dropped again.

use super::Policy;
use crate::harness::Make;

/// Through one handle per thread.
pub fn handle(policy: Policy, n: usize) -> Option<Make> {
    let _ = (policy, n);
    None
}

/// Through a handle that is cloned for the pick, and dropped again.
pub fn cloned_handle(policy: Policy, n: usize) -> Option<Make> {
    let _ = (policy, n);
    None
}
