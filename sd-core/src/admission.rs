//! Who may be picked: decided before the balancer, the same for every policy.

use crate::error::Error;
use crate::filter::Filter;
use crate::instance::{Health, Instance};

/// Why an instance that is known may not be picked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LeftOut {
    /// The client's filter does not want it.
    Filtered,
    /// It is about to go.
    Draining,
    /// Its registry, or itself, says that it doesn't work.
    Down,
    /// It has the weight 0.
    Weightless,
    /// The connection to it is being made for the first time.
    Connecting,
    /// The connection to it could not be made; it is tried again.
    Unconnected(Error),
}

/// What an instance asks for, connections aside. `None`: it may be picked.
pub(crate) fn left_out(instance: &Instance, filter: &Filter, panicking: bool) -> Option<LeftOut> {
    if !filter.wants(instance) {
        return Some(LeftOut::Filtered);
    }
    if instance.weight() == 0 {
        return Some(LeftOut::Weightless);
    }
    match instance.health() {
        Health::Up => None,
        Health::Draining => Some(LeftOut::Draining),
        Health::Down if panicking => None,
        Health::Down => Some(LeftOut::Down),
    }
}

/// Counts those who are up and those who are down among the instances that a client wants, and tells when so few are
/// up that being down is no longer believed (Envoy's and Finagle's panic mode).
#[derive(Debug, Clone, Default)]
pub(crate) struct PanicGauge {
    /// Below this share of those who are up, those who are down are picked, too; 0 is never.
    threshold: f64,
    up: usize,
    down: usize,
}

impl PanicGauge {
    pub(crate) fn new(threshold: f64) -> Self {
        Self { threshold, up: 0, down: 0 }
    }

    /// Whether it can ever panic; if not, nothing need be counted.
    pub(crate) fn is_armed(&self) -> bool {
        self.threshold > 0.0
    }

    pub(crate) fn count<'a>(&mut self, instances: impl Iterator<Item = &'a Instance>, filter: &Filter) {
        (self.up, self.down) = (0, 0);
        for instance in instances {
            match left_out(instance, filter, false) {
                None => self.up += 1,
                Some(LeftOut::Down) => self.down += 1,
                Some(_) => {}
            }
        }
    }

    pub(crate) fn is_panicking(&self) -> bool {
        self.down > 0 && (self.up as f64) < self.threshold * (self.up + self.down) as f64
    }
}
