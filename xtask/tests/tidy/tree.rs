//! The workspace as files, and as cargo knows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// A text file of the project.
#[derive(Debug)]
pub(crate) struct File {
    /// From the workspace's root, with `/`.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.name).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    /// Whether it is compiled into a crate, rather than its tests, examples or benches.
    pub(crate) fn is_source(&self) -> bool {
        self.extension() == "rs" && self.name.split('/').nth(1) == Some("src")
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file that belongs to the project.
pub(crate) static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    assert!(files.iter().any(|file| file.name == "xtask/tests/tidy/tree.rs"), "the search misses files: {files:?}");
    files
});

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    const NOT_OURS: [&str; 2] = ["target", ".git"];
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{prefix}{name}/"), files);
        } else if kind.is_file() {
            // What is not UTF-8 is no text; what has just gone was some editor's.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push(File { name: format!("{prefix}{name}"), text });
            }
        }
    }
}

/// `cargo metadata` of the members alone.
pub(crate) static METADATA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).unwrap());

pub(crate) fn packages() -> &'static [Value] {
    METADATA["packages"].as_array().unwrap()
}

pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo {}` failed: {complaint}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
