//! Choosing: the index of a member, through `dyn Picker`.

use super::Policy;
use crate::harness::Make;

/// Through a shared reference: the set is looked at for each choice, the turn is the thread's.
pub fn shared(policy: Policy, n: usize) -> Option<Make> {
    let _ = (policy, n);
    None
}

/// Through a handle that the thread owns: its own turn and its own cached set.
pub fn owned(policy: Policy, n: usize) -> Option<Make> {
    let _ = (policy, n);
    None
}
