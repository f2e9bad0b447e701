//! One entry that this connection has registered, and the table of them.

use std::collections::HashMap;
use std::sync::Arc;

use sd_core::{Error, Owner, Record, ServiceName};
use tokio::sync::watch;
use tokio::time::Instant;

/// All entries, and what is to be done about them.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By service and id; mostly one each: a further one only when this connection registers an id again.
    pub(super) entries: HashMap<ServiceName, HashMap<Arc<str>, Vec<Holding>>>,
    pub(super) leaving: usize,
    /// In whose place a watch has seen something newer.
    pub(super) doubted: Vec<Held>,
}

/// One entry of ours.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) owner: Owner,
    /// That of our last write that was answered; 0 before the first.
    pub(super) revision: u64,
    /// A write is under way, or was and nobody knows what came of it.
    pub(super) unanswered: bool,
    /// Grows with every write, so that an answer to what was asked before is known as such.
    pub(super) writes: u64,
    /// Until when it stands for certain, if nobody takes it away.
    pub(super) expires: Instant,
    /// It is being taken back.
    pub(super) leaving: bool,
    pub(super) standing: watch::Sender<Standing>,
}

impl Holding {
    pub(super) fn named(&self, service: &ServiceName, id: &Arc<str>) -> Held {
        let (service, id, owner) = (service.clone(), Arc::clone(id), self.owner.clone());
        Held { service, id, owner, writes: self.writes, expires: self.expires }
    }

    pub(super) fn is_held(&self) -> bool {
        !self.leaving && !self.unanswered && matches!(*self.standing.borrow(), Standing::Held)
    }
}

/// How an entry of ours stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    Held,
    Superseded,
    Gone(Error),
}

/// An entry as a heartbeat finds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    pub(super) writes: u64,
    pub(super) expires: Instant,
}

impl Table {
    pub(super) fn under(&mut self, service: &ServiceName, id: &str) -> Option<&mut Vec<Holding>> {
        self.entries.get_mut(service)?.get_mut(id)
    }

    pub(super) fn find(&mut self, service: &ServiceName, id: &str, owner: &Owner) -> Option<&mut Holding> {
        self.under(service, id)?.iter_mut().find(|holding| holding.owner == *owner)
    }

    pub(super) fn of(&mut self, record: &Record) -> Option<&mut Holding> {
        self.find(&record.service, record.instance.id(), &record.owner)
    }

    pub(super) fn forget(&mut self, service: &ServiceName, id: &str, owner: &Owner) {
        let Some(ids) = self.entries.get_mut(service) else { return };
        let Some(entries) = ids.get_mut(id) else { return };
        let leaving = &mut self.leaving;
        entries.retain(|holding| {
            let goes = holding.owner == *owner;
            *leaving -= usize::from(goes && holding.leaving);
            !goes
        });
        if entries.is_empty() {
            ids.remove(id);
        }
        if ids.is_empty() {
            self.entries.remove(service);
        }
    }
}
