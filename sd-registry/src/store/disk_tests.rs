//! Tests of the disk: what is written is read, a failing disk loses nothing, a foreign or torn file is told of.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use sd_core::{Address, Instance, UnknownFields};

use super::*;
use crate::engine::change::Reason;
use crate::engine::entry::encode;
use crate::engine::lease::Lease;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-registry-disk-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn entry(id: &str, revision: u64) -> Arc<Entry> {
    let owner = Owner::from_text("one");
    let instance = Instance::new("127.0.0.1:80".parse::<Address>().unwrap()).with_id(id);
    Arc::new(Entry {
        service: "book".parse().unwrap(),
        id: id.into(),
        revision,
        registered_at: Some(revision),
        lease: Some(Lease::new(revision, Duration::from_secs(7), 0)),
        instance: encode(&instance, &owner, &UnknownFields::default()).unwrap(),
        owner,
    })
}

fn remove(id: &str, revision: u64) -> Change {
    Change::Remove { entry: entry(id, 1), revision, reason: Reason::Deregistered }
}

fn put(id: &str, revision: u64) -> Change {
    Change::Put(entry(id, revision))
}

fn shown(entries: &[Arc<Entry>]) -> Vec<(ServiceName, Entries)> {
    let entries = entries.iter().map(|entry| (Arc::clone(&entry.id), Arc::clone(entry))).collect();
    vec![("book".parse().unwrap(), entries)]
}

async fn commit(disk: &mut Disk, changes: Vec<Change>, stands: &[Arc<Entry>]) -> Result<(), Error> {
    disk.commit(&Arc::new(changes), || shown(stands)).await
}

fn ids(loaded: &Loaded) -> Vec<(&str, u64)> {
    loaded.entries.iter().map(|entry| (&*entry.id, entry.revision)).collect()
}

#[tokio::test]
async fn what_was_written_is_there_again_with_its_epoch_and_revision() {
    let folder = Folder::new("again");
    let (mut disk, loaded) = Disk::open(&folder.0, Epoch(7)).unwrap();
    assert_eq!((loaded.epoch, loaded.revision, loaded.entries.len()), (Epoch(7), 0, 0));
    commit(&mut disk, vec![put("a", 1), put("b/не", 2)], &[]).await.unwrap();
    commit(&mut disk, vec![remove("a", 3), put("c", 4)], &[]).await.unwrap();
    commit(&mut disk, vec![remove("c", 5)], &[]).await.unwrap();
    drop(disk);
    let (_disk, loaded) = Disk::open(&folder.0, Epoch(8)).unwrap();
    assert_eq!((loaded.epoch, loaded.revision), (Epoch(7), 5), "of the data, and never going back");
    assert_eq!(ids(&loaded), [], "an id that no instance can have is left out");
}

#[tokio::test]
async fn leases_owners_and_instances_come_back() {
    let folder = Folder::new("whole");
    let (mut disk, _) = Disk::open(&folder.0, Epoch(7)).unwrap();
    commit(&mut disk, vec![put("a", 1)], &[]).await.unwrap();
    drop(disk);
    let (_disk, loaded) = Disk::open(&folder.0, Epoch(8)).unwrap();
    let found = &loaded.entries[0];
    assert_eq!(
        (found.ttl, found.owner.as_str(), &found.instance),
        (Duration::from_secs(7), "one", &entry("a", 1).instance)
    );
}

#[tokio::test]
async fn a_second_centre_on_the_same_folder_is_refused() {
    let folder = Folder::new("twice");
    let (_disk, _) = Disk::open(&folder.0, Epoch(7)).unwrap();
    let error = Disk::open(&folder.0, Epoch(8)).unwrap_err();
    assert!(error.to_string().contains("another centre has it open"), "{error}");
}

#[test]
fn a_file_that_is_no_database_or_a_newer_ones_is_refused_with_its_name() {
    let folder = Folder::new("foreign");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("registry.redb"), "not a database, whatever it is").unwrap();
    let error = Disk::open(&folder.0, Epoch(7)).unwrap_err();
    assert!(error.to_string().contains("registry.redb"), "{error}");
    fs::remove_file(folder.0.join("registry.redb")).unwrap();
    drop(Disk::open(&folder.0, Epoch(7)).unwrap());
    let database = Database::create(folder.0.join("registry.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Disk::open(&folder.0, Epoch(7)).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("format 2") && cause.contains("knows 1"), "{cause}");
}

/// A disk that can be made to fail, and keeps what it has.
#[derive(Debug, Clone, Default)]
struct Failing {
    bytes: Arc<Mutex<Option<Arc<InMemoryBackend>>>>,
    fails: Arc<AtomicBool>,
}

#[derive(Debug)]
struct FailingFile {
    inner: Arc<InMemoryBackend>,
    fails: Arc<AtomicBool>,
}

impl FailingFile {
    fn check(&self) -> std::io::Result<()> {
        if self.fails.load(SeqCst) { Err(std::io::Error::other("no space left")) } else { Ok(()) }
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> std::io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
        self.inner.read(offset, len)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.check()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self, eventual: bool) -> std::io::Result<()> {
        self.check()?;
        self.inner.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check()?;
        self.inner.write(offset, data)
    }
}

impl Failing {
    fn opener(&self) -> Opener {
        let this = self.clone();
        Arc::new(move || {
            let mut bytes = this.bytes.lock().unwrap();
            let inner = Arc::clone(bytes.get_or_insert_with(Arc::default));
            let file = FailingFile { inner, fails: Arc::clone(&this.fails) };
            Database::builder().create_with_backend(file)
        })
    }

    fn open(&self) -> (Disk, Loaded) {
        Disk::open_with(self.opener(), "a test's".into(), Epoch(7)).unwrap()
    }
}

#[tokio::test]
async fn after_a_failed_write_all_that_stands_is_written_anew() {
    let failing = Failing::default();
    let (mut disk, _) = failing.open();
    let (a, b) = (entry("a", 1), entry("b", 2));
    commit(&mut disk, vec![Change::Put(Arc::clone(&a)), Change::Put(Arc::clone(&b))], &[]).await.unwrap();
    failing.fails.store(true, SeqCst);
    let stands = [Arc::clone(&a), Arc::clone(&b)];
    for _ in 0..3 {
        let error = commit(&mut disk, vec![remove("a", 3), put("lost", 4)], &stands).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("can't be written"), "{error}");
    }
    failing.fails.store(false, SeqCst);
    commit(&mut disk, vec![put("c", 3)], &stands).await.unwrap();
    drop(disk);
    let (_disk, loaded) = failing.open();
    assert_eq!(ids(&loaded), [("a", 1), ("b", 2), ("c", 3)], "what was refused is not there, what was not is");
    assert_eq!(loaded.revision, 3);
}
