//! The place where the present set of endpoints stands: read without waiting, swapped as one.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

use crate::balancer::{PickContext, PickRequest, Picker};
use crate::endpoints::{Endpoints, NoEndpoints, Picked};
use crate::members::Members;
use crate::turns::{TurnPlace, fresh_states};
use crate::versioned::Versioned;
use crate::versioned::slot::Guard;

/// The place where the present set of endpoints stands. Reading it never waits; the set is swapped as one.
pub struct EndpointCell<S> {
    current: Versioned<Endpoints<S>>,
    published: watch::Sender<u64>,
    turns: TurnPlace,
}

impl<S> EndpointCell<S> {
    pub(crate) fn new(endpoints: Endpoints<S>) -> Self {
        Self {
            published: watch::channel(endpoints.version).0,
            current: {
                let version = endpoints.version;
                Versioned::new(endpoints, version)
            },
            turns: TurnPlace::new(),
        }
    }

    /// Puts `next` in the place of the present set, which is returned: whoever swaps retires it, so that no pick ever
    /// runs destructors.
    pub(crate) fn swap(&self, next: Endpoints<S>) -> Arc<Endpoints<S>> {
        let version = next.version;
        let retired = self.current.swap(next, version);
        self.published.send_replace(version);
        retired
    }

    /// The present set, for looking at. The guard is short-lived by design: it is not `Send`, so it can't be held
    /// across an `.await` of a spawned task.
    #[inline]
    pub fn load(&self) -> EndpointsGuard<'_, S> {
        EndpointsGuard { guard: self.current.load(), _not_send: PhantomData }
    }

    /// The index of the member to call in the present set, counting in this thread's own counters.
    #[inline]
    pub fn choose(&self, request: PickRequest<'_>) -> Option<usize> {
        self.turns.lend(|turn, random| self.current.load().choose(&PickContext::new(request, turn, random)))
    }

    /// The member to call, counting in this thread's own counters.
    ///
    /// # Errors
    /// [`NoEndpoints`] when nobody may be picked.
    #[inline]
    pub fn pick(&self, request: PickRequest<'_>) -> Result<Picked<S>, NoEndpoints>
    where
        S: Clone,
    {
        self.turns.lend(|turn, random| self.current.load().pick(&PickContext::new(request, turn, random)))
    }

    /// The version of the present set.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.current.version()
    }

    /// Waits until the version is another than `seen`, and returns it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&self, seen: u64) -> u64
    where
        S: Send + Sync,
    {
        let mut published = self.published.subscribe();
        if let Ok(version) = published.wait_for(|version| *version != seen).await {
            return *version;
        }
        // The sender is a field of `self`, so it can't be gone.
        std::future::pending().await
    }
}

impl<S> fmt::Debug for EndpointCell<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointCell").field(&*self.load()).finish()
    }
}

/// A look at the present set. Not `Send`, and to be dropped soon.
pub struct EndpointsGuard<'a, S> {
    guard: Guard<Endpoints<S>>,
    _not_send: PhantomData<(&'a EndpointCell<S>, *const ())>,
}

impl<S> Deref for EndpointsGuard<'_, S> {
    type Target = Endpoints<S>;

    #[inline]
    fn deref(&self) -> &Endpoints<S> {
        &self.guard
    }
}

impl<S> fmt::Debug for EndpointsGuard<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A handle with counters of its own. A clone starts anywhere, so that handles cloned per request do not all pick the
/// first.
///
/// It remembers members and picker of the set that it chose from last, and no service: a handle that lies unused for
/// days keeps no removed service alive. A clone remembers nothing yet, and costs one count.
pub struct EndpointHandle<S> {
    cell: Arc<EndpointCell<S>>,
    remembered: Option<Remembered>,
    turn: u64,
    random: u64,
}

struct Remembered {
    version: u64,
    members: Members,
    picker: Arc<dyn Picker>,
}

impl<S> EndpointHandle<S> {
    /// A handle on what stands in `cell`.
    #[must_use]
    pub fn new(cell: Arc<EndpointCell<S>>) -> Self {
        let (turn, random) = fresh_states();
        Self { cell, remembered: None, turn, random }
    }

    /// The cell it reads.
    #[must_use]
    pub fn cell(&self) -> &Arc<EndpointCell<S>> {
        &self.cell
    }

    /// The index, among [`members`](Self::members), of the one to call.
    #[inline]
    pub fn choose(&mut self, request: PickRequest<'_>) -> Option<usize> {
        let Self { cell, remembered, turn, random } = self;
        let context = PickContext::new(request, Cell::from_mut(turn), Cell::from_mut(random));
        match remembered {
            Some(remembered) if remembered.version == cell.version() => remembered.picker.pick(&context),
            _ => remembered.insert(Remembered::look(cell)).picker.pick(&context),
        }
    }

    /// The members that [`choose`](Self::choose) chose among last; `None` before it was called.
    #[must_use]
    pub fn members(&self) -> Option<&Members> {
        self.remembered.as_ref().map(|remembered| &remembered.members)
    }

    /// The member to call.
    ///
    /// # Errors
    /// [`NoEndpoints`] when nobody may be picked.
    #[inline]
    pub fn pick(&mut self, request: PickRequest<'_>) -> Result<Picked<S>, NoEndpoints>
    where
        S: Clone,
    {
        let context = PickContext::new(request, Cell::from_mut(&mut self.turn), Cell::from_mut(&mut self.random));
        self.cell.current.load().pick(&context)
    }
}

impl Remembered {
    #[cold]
    fn look<S>(cell: &EndpointCell<S>) -> Self {
        let present = cell.load();
        Self { version: present.version, members: present.members.clone(), picker: Arc::clone(&present.picker) }
    }
}

impl<S> Clone for EndpointHandle<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.cell))
    }
}

impl<S> fmt::Debug for EndpointHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointHandle").field(&self.cell).finish()
    }
}
