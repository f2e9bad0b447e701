//! etcd unpacked from the distribution's package, without installing it: lists, cache and tree are our own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt_sources::{Distribution, Sources};
use crate::process;

const PACKAGE: &str = "etcd-server";

/// Debian 12's own suite has 3.4, this one 3.5, whose package runs there as well.
const NEWER_DEBIAN_SUITE: &str = "trixie";

/// From the suite with the etcd that the tests are meant for.
pub(crate) fn fetch_from_newer_suite(aside: &Path) -> Result<()> {
    let distribution = Distribution::of_this_machine()?;
    if distribution.id != "debian" {
        bail!("`{}` is not Debian, and its suites are not known here", distribution.id);
    }
    fetch(aside, &distribution.suite, NEWER_DEBIAN_SUITE)
}

/// From the suite that this machine runs.
pub(crate) fn fetch_from_own_suite(aside: &Path) -> Result<()> {
    let suite = Distribution::of_this_machine()?.suite;
    fetch(aside, &suite, &suite)
}

fn fetch(aside: &Path, machine_suite: &str, suite: &str) -> Result<()> {
    for program in ["apt-get", "dpkg"] {
        if process::on_path(program).is_none() {
            bail!("`{program}` is not on PATH");
        }
    }
    let apt = Apt::prepare(aside, &Sources::of_this_machine(machine_suite, suite)?)?;
    eprintln!("fetching {PACKAGE} of {suite} …");
    // One of several sources may lack this suite; whether that matters shows at the download.
    let updated = process::capture(apt.command().arg("update"));
    let downloaded = process::capture(apt.command().args(["download", PACKAGE]).current_dir(&apt.download));
    if let Err(error) = downloaded {
        return Err(updated.err().unwrap_or(error));
    }
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(apt.downloaded()?).arg(aside.join("tree"));
    process::capture(&mut unpack)?;
    Ok(())
}

/// An apt that reads the machine's configuration (proxies, keys) and writes only below a folder of ours.
struct Apt {
    options: Vec<OsString>,
    download: PathBuf,
}

impl Apt {
    fn prepare(aside: &Path, sources: &Sources) -> Result<Self> {
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
            ("Dir::Cache::archives", &cache.join("archives")),
        ];
        let paths = paths.into_iter().map(|(name, path)| {
            let mut option = OsString::from(format!("{name}="));
            option.push(path);
            option
        });
        // As root apt would hand the download to a user who may not enter our folder.
        let settings =
            ["APT::Sandbox::User=", "APT::Default-Release=", "Acquire::Languages=none", "Acquire::Retries=2"];
        Ok(Self { options: paths.chain(settings.map(OsString::from)).collect(), download })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q");
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
    }

    fn downloaded(&self) -> Result<PathBuf> {
        let entries =
            fs::read_dir(&self.download).with_context(|| format!("could not read {}", self.download.display()))?;
        let mut packages = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some("deb".as_ref()));
        packages.next().with_context(|| format!("apt-get left no package in {}", self.download.display()))
    }
}
