//! What cargo knows of this workspace: where it lies, its packages and their features.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The workspace that xtask belongs to.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds, by the caller's settings.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A workspace member.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Without `default`, in the order of their names.
    pub(crate) features: Vec<String>,
    pub(crate) binaries: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Whether plain `cargo test` tests it.
    pub(crate) is_default: bool,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        // The workspace's own folder: asked in a member's, cargo takes that member alone for the default.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|root| root.is_dir());
        // A checkout that was moved after xtask was built would otherwise be looked for at its old place.
        let start = if let Some(root) = root {
            root.to_owned()
        } else {
            std::env::current_dir().context("no current directory")?
        };
        let mut command = process::cargo(&start);
        command.args(["metadata", "--format-version=1", "--no-deps"]);
        let answer = process::capture(&mut command)?;
        let metadata: Value = serde_json::from_str(&answer).context("`cargo metadata` did not answer in JSON")?;
        Self::from_metadata(&metadata).context("`cargo metadata` answered in an unknown form")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let default = metadata["workspace_default_members"].as_array()?;
        let packages = metadata["packages"].as_array()?.iter();
        Some(Self {
            root: PathBuf::from(metadata["workspace_root"].as_str()?),
            target: PathBuf::from(metadata["target_directory"].as_str()?),
            packages: packages.map(|package| Package::from_metadata(package, default)).collect::<Option<_>>()?,
        })
    }

    /// What xtask fetches is kept here, the same for every target directory in use.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target").join("tools")
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

impl Package {
    fn from_metadata(package: &Value, default: &[Value]) -> Option<Self> {
        let binaries = package["targets"].as_array()?.iter().filter(|target| target["kind"][0] == "bin");
        let features = package["features"].as_object()?.keys().filter(|feature| *feature != "default");
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            features: features.cloned().collect(),
            binaries: binaries.filter_map(|target| target["name"].as_str()).map(str::to_owned).collect(),
            folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_owned(),
            is_default: default.contains(&package["id"]),
        })
    }

    pub(crate) fn has_binary(&self, name: &str) -> bool {
        self.binaries.iter().any(|binary| binary == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_understood() {
        let workspace = Workspace::load().unwrap();
        let xtask = workspace.package("xtask").unwrap();
        assert!(xtask.has_binary("xtask"));
        assert_eq!(xtask.folder, workspace.root.join("xtask"));
        assert!(workspace.package("sd-core").unwrap().is_default);
        assert!(!workspace.package("sd-etcd").unwrap().is_default);
        assert!(workspace.package("no-such-package").is_none());
    }
}
