//! apt, with lists, cache and downloads in a folder of ours.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt_sources::Sources;
use crate::process;

/// An apt that reads the machine's configuration (proxies, keys) and writes only below a folder of ours.
pub(super) struct Apt {
    options: Vec<OsString>,
    download: PathBuf,
    archives: PathBuf,
}

impl Apt {
    pub(super) fn prepare(aside: &Path, sources: &Sources) -> Result<Self> {
        for program in ["apt-get", "dpkg"] {
            if process::on_path(program).is_none() {
                bail!("`{program}` is not on PATH");
            }
        }
        let root = aside.join("apt");
        let folder = |name: &str| -> Result<PathBuf> {
            let path = root.join(name);
            fs::create_dir_all(&path).with_context(|| format!("could not create {}", path.display()))?;
            Ok(path)
        };
        let parts = folder("sources.d")?;
        let download = folder("download")?;
        let lists = folder("lists")?;
        folder("lists/partial")?;
        let cache = folder("cache")?;
        let archives = cache.join("archives");
        folder("cache/archives/partial")?;
        let nothing_installed = root.join("status");
        for (path, text) in [
            (parts.join("machine.list"), sources.lines.as_str()),
            (parts.join("machine.sources"), sources.stanzas.as_str()),
            (nothing_installed.clone(), ""),
        ] {
            fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
        }
        let paths = [
            ("Dir::Etc::sourcelist", Path::new("/dev/null")),
            ("Dir::Etc::sourceparts", &parts),
            ("Dir::Etc::preferences", Path::new("/dev/null")),
            ("Dir::Etc::preferencesparts", Path::new("/dev/null")),
            ("Dir::State::Lists", &lists),
            ("Dir::State::status", &nothing_installed),
            ("Dir::Cache", &cache),
            ("Dir::Cache::archives", &archives),
        ];
        let paths = paths.into_iter().map(|(name, path)| {
            let mut option = OsString::from(format!("{name}="));
            option.push(path);
            option
        });
        // As root apt would hand the download to a user who may not enter our folder.
        let settings =
            ["APT::Sandbox::User=", "APT::Default-Release=", "Acquire::Languages=none", "Acquire::Retries=2"];
        Ok(Self { options: paths.chain(settings.map(OsString::from)).collect(), download, archives })
    }

    /// Downloads these packages and unpacks them over each other.
    pub(super) fn unpack(&self, names: &[&str], tree: &Path) -> Result<()> {
        // One of several sources may lack this suite; whether that matters shows at the download.
        let updated = process::capture(self.command().arg("update"));
        let mut download = self.command();
        download.arg("download").args(names).current_dir(&self.download);
        if let Err(error) = process::capture(&mut download) {
            return Err(updated.err().unwrap_or(error));
        }
        let downloaded = packages_in(&self.download)?;
        if downloaded.len() != names.len() {
            bail!("apt-get left {} packages in {}, not {}", downloaded.len(), self.download.display(), names.len());
        }
        downloaded.iter().try_for_each(|package| unpack(package, tree))
    }

    /// Downloads these packages and, as nothing counts as installed here, all that they depend on; unpacks them over
    /// each other, but those `left_out`.
    pub(super) fn unpack_with_all(&self, names: &[&str], left_out: &[&str], tree: &Path) -> Result<()> {
        let updated = process::capture(self.command().arg("update"));
        let mut install = self.command();
        install.args(["install", "--download-only", "--yes", "--no-install-recommends"]).args(names);
        if let Err(error) = process::capture(&mut install) {
            return Err(updated.err().unwrap_or(error));
        }
        let packages = packages_in(&self.archives)?;
        let is_left_out = |package: &Path| {
            // `name_version_architecture.deb`
            let file = package.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            left_out.contains(&file.split('_').next().unwrap_or_default())
        };
        packages.iter().filter(|package| !is_left_out(package)).try_for_each(|package| unpack(package, tree))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q");
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
    }
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension() == Some("deb".as_ref())).collect())
}

fn unpack(package: &Path, tree: &Path) -> Result<()> {
    process::capture(Command::new("dpkg").arg("-x").arg(package).arg(tree)).map(drop)
}
