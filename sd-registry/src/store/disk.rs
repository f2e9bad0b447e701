//! Entries on disk: an embedded database, one transaction per batch, synced before anybody is answered.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableTable, TableDefinition};
use sd_core::{BoxError, Codec, Error, Owner, ServiceName};

use crate::engine::change::{Change, Epoch};
use crate::engine::entry::Entry;
use crate::engine::view::Entries;
use crate::wire::EntryText;

/// Entries by service and id, as the JSON that the API shows: an old copy of the data can be read without us.
const ENTRIES: TableDefinition<'static, (&str, &str), &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Grows only when an older centre could not read what stands there.
const FORMAT: u64 = 1;

/// An entry that was on disk; its lease begins anew.
#[derive(Debug)]
pub(crate) struct LoadedEntry {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    pub(crate) revision: u64,
    pub(crate) registered_at: Option<u64>,
    pub(crate) ttl: Duration,
    pub(crate) instance: Box<str>,
}

/// All that was on disk.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) epoch: Epoch,
    pub(crate) revision: u64,
    pub(crate) entries: Vec<LoadedEntry>,
}

/// How the database is opened: a test puts a failing disk beneath it.
pub(crate) type Opener = Arc<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// The database.
pub(crate) struct Disk {
    open: Opener,
    place: PathBuf,
    epoch: Epoch,
    /// `None` after a failed write: what then stands on disk is not known, so all is written anew.
    database: Option<Database>,
}

impl Disk {
    /// Opens the database in `folder`, or makes both, and reads all that is there. Blocks.
    ///
    /// # Errors
    /// `Unavailable`: it can't be read or written, another centre has it open, a newer one has written it.
    pub(crate) fn open(folder: &Path, fresh_epoch: Epoch) -> Result<(Self, Loaded), Error> {
        let place = folder.join("registry.redb");
        make_folder(folder).map_err(|error| failed(&place, "the folder can't be made", error))?;
        let path = place.clone();
        let open: Opener = Arc::new(move || Database::create(&path));
        let opened = Self::open_with(open, place.clone(), fresh_epoch)?;
        // A power loss must not take the name of a file whose contents are safe.
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed(&place, "the folder can't be synced", error))?;
        Ok(opened)
    }

    fn open_with(open: Opener, place: PathBuf, fresh_epoch: Epoch) -> Result<(Self, Loaded), Error> {
        let database = open().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => failed(&place, "another centre has it open", error),
            error => failed(&place, "it can't be opened", error),
        })?;
        let unreadable = |error| failed(&place, "it can't be read", error);
        let (epoch, revision) = identity(&database, fresh_epoch).map_err(unreadable)?;
        let entries = read(&database).map_err(unreadable)?;
        let disk = Self { open, place, epoch, database: Some(database) };
        Ok((disk, Loaded { epoch, revision, entries }))
    }

    /// Writes changes and syncs; many callers wait for one sync.
    ///
    /// # Errors
    /// `Unavailable`; the next commit writes all that is `shown` anew.
    pub(crate) async fn commit(
        &mut self,
        changes: &Arc<Vec<Change>>,
        shown: impl Fn() -> Vec<(ServiceName, Entries)> + Send,
    ) -> Result<(), Error> {
        let database = self.database.take();
        let whole = if database.is_none() { Some(shown()) } else { None };
        let (open, changes, epoch) = (Arc::clone(&self.open), Arc::clone(changes), self.epoch);
        let work = move || -> Result<Database, BoxError> {
            let database = database.map_or_else(|| open(), Ok)?;
            write(&database, whole, &changes, epoch)?;
            Ok(database)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(database)) => {
                self.database = Some(database);
                Ok(())
            }
            Ok(Err(error)) => Err(failed(&self.place, "it can't be written", error)),
            Err(error) => Err(failed(&self.place, "writing was broken off", error)),
        }
    }
}

/// The epoch and the newest revision; writes them where the database is new.
fn identity(database: &Database, fresh: Epoch) -> Result<(Epoch, u64), BoxError> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        transaction.open_table(ENTRIES)?;
        let format = meta.get("format")?.map(|value| value.value());
        match format {
            None => {
                meta.insert("format", FORMAT)?;
                meta.insert("epoch", fresh.0)?;
                meta.insert("revision", 0)?;
            }
            Some(FORMAT) => {}
            Some(other) => return Err(format!("it has format {other}; this centre knows {FORMAT}").into()),
        }
        let number = |key: &str| -> Result<u64, BoxError> {
            Ok(meta.get(key)?.map(|value| value.value()).ok_or_else(|| format!("it has no {key}"))?)
        };
        (Epoch(number("epoch")?), number("revision")?)
    };
    transaction.commit()?;
    Ok(found)
}

fn read(database: &Database) -> Result<Vec<LoadedEntry>, BoxError> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(ENTRIES)?;
    let mut entries = Vec::new();
    for item in table.iter()? {
        let (key, value) = item?;
        let (service, id) = key.value();
        match load(id, value.value()) {
            Ok(entry) => entries.push(entry),
            // One bad entry must not keep all others from being served; its owner registers it anew.
            Err(error) => tracing::error!(service, id, %error, "left out an entry on disk that can't be read"),
        }
    }
    Ok(entries)
}

fn load(id: &str, value: &[u8]) -> Result<LoadedEntry, BoxError> {
    let stored: EntryText<'_> = serde_json::from_slice(value)?;
    let decoded = Codec::decode(stored.instance.get().as_bytes())?;
    if decoded.instance.id() != id {
        return Err(format!("it says that its id is {:?}", decoded.instance.id()).into());
    }
    Ok(LoadedEntry {
        service: stored.service.parse()?,
        id: id.into(),
        owner: decoded.owner.ok_or("it has no owner")?,
        revision: stored.revision,
        registered_at: stored.registered_at_ms,
        ttl: Duration::from_millis(stored.ttl_ms.ok_or("it has no ttl_ms")?),
        instance: stored.instance.get().into(),
    })
}

fn write(
    database: &Database,
    whole: Option<Vec<(ServiceName, Entries)>>,
    changes: &[Change],
    epoch: Epoch,
) -> Result<(), BoxError> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ENTRIES)?;
        let mut meta = transaction.open_table(META)?;
        if let Some(whole) = whole {
            table.retain(|_, _| false)?;
            meta.insert("format", FORMAT)?;
            meta.insert("epoch", epoch.0)?;
            for entry in whole.iter().flat_map(|(_, entries)| entries.values()) {
                put(&mut table, entry)?;
            }
        }
        for change in changes {
            match change {
                Change::Put(entry) => put(&mut table, entry)?,
                Change::Remove { entry, .. } => drop(table.remove((entry.service.as_str(), &*entry.id))?),
                Change::Appeared { .. } | Change::Vanished { .. } => {}
            }
        }
        if let Some(last) = changes.last() {
            meta.insert("revision", last.revision())?;
        }
    }
    // Durability is immediate by default: this returns when the disk has it.
    transaction.commit()?;
    Ok(())
}

fn put(table: &mut redb::Table<'_, (&str, &str), &[u8]>, entry: &Entry) -> Result<(), BoxError> {
    table.insert((entry.service.as_str(), &*entry.id), entry.to_json().as_bytes())?;
    Ok(())
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(place: &Path, what: &str, error: impl Into<BoxError>) -> Error {
    Error::unavailable(format!("{}: {what}", place.display())).with_backend("sd").with_source(error)
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("place", &self.place).field("open", &self.database.is_some()).finish()
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
