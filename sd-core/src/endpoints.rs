//! Live services, who may be picked among them, and the picker: one set, swapped as one.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use tokio::time::Instant;

use crate::admission::LeftOut;
use crate::balancer::{PickContext, Picker};
use crate::chunked::Chunked;
use crate::instance::Instance;
use crate::load::{Load, Ticket};
use crate::members::Members;
use crate::snapshot::{Basis, Freshness};

/// Live services, who may be picked among them, and the picker, as they stand at one moment. Never changes: what an
/// [`EndpointCell`](crate::EndpointCell) holds is swapped as one, so that a set and its picker can never disagree.
pub struct Endpoints<S> {
    pub(crate) members: Members,
    /// The service of the member with the same index.
    pub(crate) services: Chunked<Arc<Seat<S>>>,
    pub(crate) picker: Arc<dyn Picker>,
    pub(crate) freshness: Freshness,
    pub(crate) basis: Basis,
    pub(crate) left_out: OrdMap<Arc<str>, (Arc<Instance>, LeftOut)>,
    pub(crate) connecting: usize,
    pub(crate) panicking: bool,
    /// Where latencies are counted from, if the balancer wants them.
    pub(crate) clock: Option<Instant>,
    pub(crate) version: u64,
}

/// A service, and the count of its requests: what a pick touches, on one cache line.
#[derive(Debug)]
pub(crate) struct Seat<S> {
    pub(crate) service: S,
    pub(crate) load: Load,
}

impl<S> Endpoints<S> {
    /// Those who may be picked.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The service of the member with this index.
    #[must_use]
    pub fn service(&self, index: usize) -> Option<&S> {
        self.services.get(index).map(|seat| &seat.service)
    }

    /// The picker made for these members.
    #[must_use]
    pub fn picker(&self) -> &Arc<dyn Picker> {
        &self.picker
    }

    /// How fresh the instances behind it are.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Why the instances are the ones they are.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// How many instances are known, those left out included.
    #[must_use]
    pub fn known(&self) -> usize {
        self.members.len() + self.left_out.len()
    }

    /// Who is known and may not be picked, and why; in the ids' order.
    pub fn left_out(&self) -> impl ExactSizeIterator<Item = (&Arc<Instance>, &LeftOut)> + '_ {
        self.left_out.values().map(|(instance, why)| (instance, why))
    }

    /// Whether so many are down that those who are down may be picked, too.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.panicking
    }

    /// Whether nobody can be picked *yet*: nothing is known, or those who are known are still being connected to for
    /// the first time.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.members.is_empty() && (self.freshness.is_pending() || self.connecting > 0)
    }

    /// The number of this set; a later one has a higher one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The index of the member to call.
    #[inline]
    pub fn choose(&self, context: &PickContext<'_>) -> Option<usize> {
        self.picker.pick(context)
    }

    /// The member to call: its service and a ticket that counts the request.
    ///
    /// # Errors
    /// [`NoEndpoints`] when nobody may be picked.
    #[inline]
    pub fn pick(&self, context: &PickContext<'_>) -> Result<Picked<S>, NoEndpoints>
    where
        S: Clone,
    {
        match self.picker.pick(context).and_then(|index| self.services.get(index)) {
            Some(seat) => Ok(Picked { service: seat.service.clone(), ticket: Ticket::new(&seat.load, self.clock) }),
            None => Err(self.nobody()),
        }
    }

    #[cold]
    fn nobody(&self) -> NoEndpoints {
        NoEndpoints { known: self.known(), freshness: self.freshness.clone(), undecided: self.is_undecided() }
    }
}

impl<S> fmt::Debug for Endpoints<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("version", &self.version)
            .field("members", &self.members.len())
            .field("left_out", &self.left_out.len())
            .field("freshness", &self.freshness)
            .field("panicking", &self.panicking)
            .finish_non_exhaustive()
    }
}

/// A member that was picked: a clone of its service, and the ticket that counts the request.
#[derive(Debug)]
pub struct Picked<S> {
    /// The service; removing the instance does not take it from who has it.
    pub service: S,
    /// Counts the request until it is dropped or completed.
    pub ticket: Ticket,
}

/// Nobody may be picked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NoEndpoints {
    /// How many instances are known, all of them left out.
    pub known: usize,
    /// How fresh that is.
    pub freshness: Freshness,
    /// Whether it may be different in a moment: nothing is known yet, or connections are being made.
    pub undecided: bool,
}

impl fmt::Display for NoEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no endpoint may be picked: {} known, {}", self.known, describe(&self.freshness))
    }
}

/// The source is what is in the way of the registry, if anything is.
impl std::error::Error for NoEndpoints {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.freshness.error().map(|error| error as _)
    }
}

fn describe(freshness: &Freshness) -> &'static str {
    match freshness {
        Freshness::Pending { error: None } => "the registry has not answered yet",
        Freshness::Pending { error: Some(_) } => "the registry can't be reached and has never answered",
        Freshness::Live => "as the registry says now",
        Freshness::Stale { .. } => "as last known; the registry can't be reached",
    }
}
