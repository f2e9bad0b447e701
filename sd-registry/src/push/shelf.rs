//! Who registered by push, over restarts: a file per member, beside the database.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sd_core::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::push::callback::Callback;
use crate::push::patch::Provider;

/// What is kept of a member, so that a restarted centre goes on where it was: it asks for heartbeats, and tells the
/// receiver what it has missed without telling it twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) service: String,
    pub(crate) url: String,
    pub(crate) requires: Vec<String>,
    pub(crate) update: Callback,
    pub(crate) heartbeat: Callback,
    pub(crate) owner: String,
    pub(crate) has: BTreeSet<Provider>,
    pub(crate) unsure: BTreeSet<Provider>,
}

/// Where members are kept; without a folder, nowhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    folder: Option<PathBuf>,
}

impl Shelf {
    /// In `data`, with those that are kept there, or nowhere. Blocks.
    ///
    /// # Errors
    /// `Unavailable`: the folder can't be made.
    pub(crate) fn open(data: Option<&Path>) -> Result<(Self, Vec<Saved>), Error> {
        let Some(data) = data else { return Ok(Default::default()) };
        let folder = data.join("push");
        let made = fs::create_dir_all(&folder).and_then(|()| File::open(data)?.sync_all());
        made.map_err(|error| Error::unavailable(format!("{}: can't be made", folder.display())).with_source(error))?;
        let kept = load(&folder);
        Ok((Self { folder: Some(folder) }, kept))
    }

    /// Keeps a member, in place of what was kept of it. `durable`: also through a power loss; otherwise through a crash
    /// of the process alone, which is what the state of a receiver is worth.
    ///
    /// # Errors
    /// Why it could not; what was kept before stays.
    pub(crate) async fn save(&self, saved: &Saved, durable: bool) -> Result<(), String> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let file = folder.join(file_name(&saved.service, &saved.url));
        let text = serde_json::to_vec(saved).map_err(|error| error.to_string())?;
        blocking(move || write(&folder, &file, &text, durable)).await
    }

    /// Whether anything is kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.folder.is_some()
    }

    /// Forgets a member.
    pub(crate) async fn remove(&self, service: &str, url: &str) {
        let Some(folder) = self.folder.clone() else { return };
        let file = folder.join(file_name(service, url));
        let work = move || match fs::remove_file(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| File::open(folder)?.sync_all()),
        };
        if let Err(error) = blocking(work).await {
            tracing::warn!(service, url, error, "a push registration can't be forgotten: a restart tries it again");
        }
    }
}

/// All that are kept; what can't be read is left out, and told.
fn load(folder: &Path) -> Vec<Saved> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let read = |file: PathBuf| match fs::read(&file).map_err(|error| error.to_string()).and_then(|text| parse(&text)) {
        Ok(saved) => Some(saved),
        Err(error) => {
            tracing::error!(file = %file.display(), error, "left out a push registration that can't be read");
            None
        }
    };
    files.filter(|file| file.extension().is_some_and(|extension| extension == "json")).filter_map(read).collect()
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(text: &[u8]) -> Result<Saved, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// URLs hold what file names may not.
fn file_name(service: &str, url: &str) -> String {
    let digest = Sha256::digest(format!("{service} {url}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.json")
}

fn write(folder: &Path, file: &Path, text: &[u8], durable: bool) -> std::io::Result<()> {
    // One member has one task, so nobody else writes this name.
    let unfinished = file.with_extension("new");
    let mut out = File::create(&unfinished)?;
    out.write_all(text)?;
    if durable {
        out.sync_all()?;
    }
    fs::rename(&unfinished, file)?;
    if durable { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(url: &str) -> Saved {
        let provider = Provider { name: "LogService".to_owned(), url: "http://127.0.0.1:4000".to_owned() };
        let callback =
            |path: &str| serde_json::from_value(serde_json::json!({ "url": path, "addresses": [] })).unwrap();
        Saved {
            service: "GradingService".to_owned(),
            url: url.to_owned(),
            requires: vec!["LogService".to_owned()],
            update: callback("http://127.0.0.1:6000/services"),
            heartbeat: callback("http://127.0.0.1:6000/heartbeat"),
            owner: "owner".to_owned(),
            has: BTreeSet::from([provider]),
            unsure: BTreeSet::new(),
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again_and_what_is_broken_is_left_out() {
        let data = std::env::temp_dir().join(format!("sd-shelf-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let (shelf, kept) = Shelf::open(Some(&data)).unwrap();
        assert!(kept.is_empty());
        let (one, two) = (saved("http://127.0.0.1:6000"), saved("http://127.0.0.1:6001/../x"));
        shelf.save(&one, true).await.unwrap();
        shelf.save(&two, false).await.unwrap();
        shelf.remove(&one.service, &one.url).await;
        fs::write(data.join("push/broken.json"), "{").unwrap();
        assert_eq!(Shelf::open(Some(&data)).unwrap().1, [two]);
        assert!(Shelf::open(None).unwrap().1.is_empty());
        fs::remove_dir_all(data).unwrap();
    }
}
