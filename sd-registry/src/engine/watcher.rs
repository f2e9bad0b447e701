//! One reader's way through the changes.

use std::sync::Arc;

use sd_core::ServiceName;
use tokio::sync::watch;

use crate::engine::change::Event;
use crate::engine::hub::{Found, Hub};
use crate::engine::view::{Entries, View};

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The instances of one service.
    Service(ServiceName),
    /// The instances of all services.
    Instances,
    /// The names of the services that have an instance.
    Names,
}

/// Everything there was at one revision, by service.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) services: Vec<(ServiceName, Entries)>,
}

/// What a watch begins with.
#[derive(Debug)]
pub(crate) enum Begin {
    Resumed(u64),
    Snapshot(Snapshot),
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum News {
    Events(Vec<Arc<Event>>),
    /// This reader was too slow for what is kept: it starts over.
    Behind(Snapshot),
}

/// One reader's position: a number, whatever happens meanwhile.
///
/// Every change after the position is delivered, in order, once; or else a snapshot that includes it.
#[derive(Debug)]
pub(crate) struct Watcher {
    view: Arc<View>,
    scope: Scope,
    hub: Arc<Hub>,
    /// `None` only while it is dropped.
    woken: Option<watch::Receiver<u64>>,
    position: u64,
}

impl Watcher {
    /// Begins after `resume`, if that is still kept.
    pub(crate) fn new(view: &Arc<View>, scope: Scope, resume: Option<u64>) -> (Self, Begin) {
        let (hub, woken) = match &scope {
            Scope::Service(service) => view.listen(service),
            Scope::Instances => (Arc::clone(&view.all), view.all.listen()),
            Scope::Names => (Arc::clone(&view.names), view.names.listen()),
        };
        let mut watcher = Self { view: Arc::clone(view), scope, hub, woken: Some(woken), position: 0 };
        // A revision that is yet to come is another centre's, or one from before this one lost its data.
        let known = resume.filter(|revision| *revision <= watcher.view.revision());
        let begin = match known.map(|revision| (revision, watcher.hub.after(revision))) {
            Some((revision, Found::Events(_))) => {
                watcher.position = revision;
                Begin::Resumed(revision)
            }
            _ => Begin::Snapshot(watcher.start_over()),
        };
        (watcher, begin)
    }

    /// Waits for what comes next.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            if let Some(woken) = &mut self.woken {
                woken.mark_unchanged();
            }
            match self.hub.after(self.position) {
                Found::TooOld => return News::Behind(self.start_over()),
                Found::Events(events) => {
                    if let Some(newest) = events.last() {
                        self.position = newest.change.revision();
                        return News::Events(events);
                    }
                }
            }
            // The sender lives as long as the hub, which this holds: it never fails.
            if let Some(woken) = &mut self.woken
                && woken.changed().await.is_err()
            {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The newest revision that this reader knows to have nothing new for it.
    pub(crate) fn caught_up_to(&mut self) -> u64 {
        // Read first: the hub has everything up to it.
        let newest = self.view.revision();
        if matches!(self.hub.after(self.position), Found::Events(events) if events.is_empty()) {
            self.position = self.position.max(newest);
        }
        self.position
    }

    /// Begins anew, with everything there is.
    pub(crate) fn start_over(&mut self) -> Snapshot {
        let (revision, services) = match &self.scope {
            Scope::Service(service) => {
                let (revision, entries) = self.view.entries(service);
                (revision, vec![(service.clone(), entries)])
            }
            Scope::Instances | Scope::Names => self.view.all_entries(),
        };
        self.position = revision;
        Snapshot { revision, services }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.woken = None;
        if let Scope::Service(service) = &self.scope {
            self.view.tidy(service);
        }
    }
}
