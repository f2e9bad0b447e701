//! Where the engine's entries are kept beside memory.

mod disk;

use std::sync::Arc;

use sd_core::{Error, ServiceName};

use crate::engine::change::Change;
use crate::engine::view::Entries;
#[cfg(test)]
pub(crate) use crate::store::disk::LoadedEntry;
pub(crate) use crate::store::disk::{Disk, Loaded};

/// Where changes are written before they are acknowledged and shown.
#[derive(Debug)]
pub(crate) enum Store {
    /// Nowhere: a restart forgets.
    Memory,
    /// An embedded database.
    Disk(Disk),
}

impl Store {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk(_) => "disk",
        }
    }

    /// Makes changes survive a crash: all of them, or none. `shown` is what stands without them.
    ///
    /// # Errors
    /// `Unavailable`. Whether the changes are on disk is not known then; the next commit puts that right.
    pub(crate) async fn commit(
        &mut self,
        changes: &Arc<Vec<Change>>,
        shown: impl Fn() -> Vec<(ServiceName, Entries)> + Send,
    ) -> Result<(), Error> {
        match self {
            Self::Memory => Ok(()),
            Self::Disk(disk) => disk.commit(changes, shown).await,
        }
    }
}
