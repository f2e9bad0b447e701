//! Looks at a file again and again, and reads it when it has changed.
//!
//! A look of our own rather than the kernel's change notices: those don't arrive for network file systems and many
//! mounts, must be set anew for every rename and every link on the way, and differ on each platform. One `stat` a
//! second costs less than keeping that right.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind as IoErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sd_core::{Error, ErrorKind, defaults};
use tokio::sync::watch;

use super::format::{Services, services};
use super::registry::NAME;
use super::surrogates::joined;

/// How long a file must have lain still before it is read: who writes in place has written all of it by then.
const STILL: Duration = Duration::from_millis(100);

/// How often a file that does not lie still is looked at before it is read all the same.
const LOOKS: usize = 20;

/// A file system's clock ticks this seldom at worst. What changed so shortly before it was read may change again without
/// showing it, so it is read again.
const COARSE: Duration = Duration::from_secs(2);

/// What is known of a file.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// It has not been read yet.
    Unread,
    /// What it says.
    Good(Arc<Services>),
    /// What is wrong with it, and what it said when it was last good.
    Broken { last: Option<Arc<Services>>, error: Error },
}

impl Reading {
    /// What the file says, or said when it was last good.
    pub(super) fn services(&self) -> Option<&Services> {
        match self {
            Self::Unread => None,
            Self::Good(services) => Some(services),
            Self::Broken { last, .. } => last.as_deref(),
        }
    }
}

/// Tells two contents of a file apart without reading them: what is written anew has another time, size or inode.
#[derive(Debug, Clone, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: (u64, u64, i64, i64),
}

/// Follows the file until its task is aborted.
pub(super) async fn follow(path: PathBuf, poll: Duration, readings: watch::Sender<Reading>) {
    let mut seen = None;
    loop {
        look(&path, &mut seen, &readings).await;
        tokio::time::sleep(poll).await;
    }
}

/// Reads the file if it is not as it was `seen`, once it lies still.
async fn look(path: &Path, seen: &mut Option<Stamp>, readings: &watch::Sender<Reading>) {
    for looked in 1..=LOOKS {
        let (own, before, patient) = (path.to_owned(), seen.clone(), looked < LOOKS);
        let task = tokio::task::spawn_blocking(move || read_if_changed(&own, before.as_ref(), patient));
        let broken = |error| failure(ErrorKind::Protocol, path, "what reads it has panicked").with_source(error);
        match task.await.unwrap_or_else(|error| Err(broken(error))) {
            Ok(Look::Unchanged) => return,
            Ok(Look::NotStill) => tokio::time::sleep(STILL).await,
            Ok(Look::Read(stamp, result)) => {
                *seen = stamp;
                return publish(readings, result);
            }
            Err(error) => {
                *seen = None;
                return publish(readings, Err(error));
            }
        }
    }
}

enum Look {
    Unchanged,
    NotStill,
    /// What was read; the stamp is there if it can be relied on.
    Read(Option<Stamp>, Result<Services, Error>),
}

fn read_if_changed(path: &Path, seen: Option<&Stamp>, patient: bool) -> Result<Look, Error> {
    let stamp = stamp(path)?;
    if seen == Some(&stamp) {
        return Ok(Look::Unchanged);
    }
    // A time in the future has no age; such a file counts as still, and is read again each time.
    let age = stamp.modified.and_then(|modified| modified.elapsed().ok());
    if patient && age.is_some_and(|age| age < STILL) {
        return Ok(Look::NotStill);
    }
    let result = read(path);
    let after = self::stamp(path)?;
    if patient && after != stamp {
        return Ok(Look::NotStill);
    }
    let settled = after == stamp && age.is_some_and(|age| age > COARSE);
    Ok(Look::Read(settled.then_some(stamp), result))
}

/// Reads and understands the file now.
pub(super) fn read(path: &Path) -> Result<Services, Error> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    // A pipe would be waited for, for ever.
    if !metadata.is_file() {
        return Err(failure(ErrorKind::Unavailable, path, "it is not a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let most = defaults::MAX_FILE_BYTES as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() > defaults::MAX_FILE_BYTES {
        let why = format!("it has more than {} bytes; that many are allowed", defaults::MAX_FILE_BYTES);
        return Err(failure(ErrorKind::Protocol, path, &why));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        failure(ErrorKind::Protocol, path, &format!("line {line}: it is not UTF-8"))
    })?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let text = if is_json { joined(&text) } else { text.as_str().into() };
    services(&text).map_err(|fault| failure(ErrorKind::Protocol, path, &fault.to_string()))
}

fn stamp(path: &Path) -> Result<Stamp, Error> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    let identity = identity(&metadata);
    Ok(Stamp { modified: metadata.modified().ok(), length: metadata.len(), identity })
}

/// Device, inode, and when the inode last changed: one that was renamed into place may bring an old time along.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> (u64, u64, i64, i64) {
    (0, 0, 0, 0)
}

fn publish(readings: &watch::Sender<Reading>, result: Result<Services, Error>) {
    readings.send_if_modified(|reading| {
        let next = match (result, &*reading) {
            (Ok(services), Reading::Good(known)) if **known == services => return false,
            (Ok(services), _) => Reading::Good(Arc::new(services)),
            (Err(error), Reading::Broken { error: known, .. }) if is_same(known, &error) => return false,
            (Err(error), Reading::Broken { last, .. }) => Reading::Broken { last: last.clone(), error },
            (Err(error), Reading::Good(services)) => Reading::Broken { last: Some(Arc::clone(services)), error },
            (Err(error), Reading::Unread) => Reading::Broken { last: None, error },
        };
        *reading = next;
        true
    });
}

/// Whether two errors say the same.
pub(super) fn is_same(one: &Error, other: &Error) -> bool {
    let said = |error: &Error| {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        (error.to_string(), cause)
    };
    said(one) == said(other)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        IoErrorKind::PermissionDenied => ErrorKind::Unauthorized,
        _ => ErrorKind::Unavailable,
    };
    failure(kind, path, "it can't be read").with_source(error)
}

fn failure(kind: ErrorKind, path: &Path, why: &str) -> Error {
    Error::new(kind, format!("{}: {why}", path.display())).with_backend(NAME).during("read")
}
