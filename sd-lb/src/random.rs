//! Anyone, each as likely as the other.

use std::sync::Arc;

use sd_core::{Balancer, Members, PickContext, Picker};

use crate::untried::among_untried;

/// Anyone, each exactly as likely as the other (Lemire, "Fast Random Integer Generation in an Interval", 2019).
///
/// The random state is the caller's own (a handle's, or a thread's), so that nothing is shared and nothing locked. A
/// request that failed elsewhere goes to anyone who was not tried yet, each as likely, while there is one.
///
/// Which to use: [`RoundRobin`](crate::RoundRobin) spreads a steady stream more evenly; this one has no pattern that
/// callers could fall into step with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl Random {
    /// The policy; it has no options.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Balancer for Random {
    fn picker(&self, members: &Members, _previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker> {
        Arc::new(RandomPicker { count: members.len() as u64, members: members.clone() })
    }
}

#[derive(Debug)]
struct RandomPicker {
    count: u64,
    members: Members,
}

impl Picker for RandomPicker {
    #[inline]
    fn pick(&self, context: &PickContext<'_>) -> Option<usize> {
        if !context.tried().is_empty()
            && let Some(other) = among_untried(&self.members, context)
        {
            return Some(other);
        }
        (self.count > 0).then(|| context.random_below(self.count) as usize)
    }
}
