//! Where the etcd that the tests start comes from: the caller's own, the cache, the distribution, Docker.

mod apt_sources;
mod docker;
mod package;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Names the binary to the tests.
pub(crate) const FOR_TESTS: &str = "SD_TEST_ETCD";

const CHOSEN_BY_CALLER: &str = "SD_ETCD";

const WHAT_TO_INSTALL: &str = "\
install etcd 3.4 or newer so that `etcd` is on PATH (Debian, Ubuntu: package `etcd-server`; macOS: brew's `etcd`;
elsewhere: the archive of an etcd release), or set SD_ETCD to the path of the binary";

/// The binary, fetched if need be. Says on stderr where it comes from.
pub(crate) fn find(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(CHOSEN_BY_CALLER) {
        let chosen = PathBuf::from(chosen);
        let version =
            version(&chosen).with_context(|| format!("{CHOSEN_BY_CALLER}={} is of no use", chosen.display()))?;
        return Ok(found(chosen, &version, CHOSEN_BY_CALLER));
    }
    let mut refusals = Vec::new();
    if let Some(installed) = process::on_path("etcd") {
        match version(&installed) {
            Ok(version) => return Ok(found(installed, &version, "PATH")),
            Err(error) => refusals.push(format!("PATH: {error:#}")),
        }
    }
    let home = workspace.tools().join("etcd");
    if let Ok(version) = version(&binary_in(&home)) {
        return Ok(found(binary_in(&home), &version, "cache"));
    }
    for (source, fetch) in SOURCES {
        match fetch_into(&home, fetch) {
            Ok(version) => return Ok(found(binary_in(&home), &version, source)),
            Err(error) => refusals.push(format!("{source}: {error:#}")),
        }
    }
    bail!("there is no etcd to test against:\n  - {}\n{WHAT_TO_INSTALL}", refusals.join("\n  - "))
}

/// Prints what a shell evaluates to run tests by hand.
pub(crate) fn print_exports(workspace: &Workspace) -> Result<()> {
    let binary = find(workspace)?;
    let path = binary.to_str().context("the path of etcd is not UTF-8")?;
    println!("export {FOR_TESTS}='{}'", path.replace('\'', r"'\''"));
    Ok(())
}

/// Puts a tree with `usr/bin/etcd` into an empty folder.
type Fetch = fn(&Path) -> Result<()>;

const SOURCES: [(&str, Fetch); 3] = [
    ("the distribution's packages, newer suite", package::fetch_from_newer_suite),
    ("the distribution's packages", package::fetch_from_own_suite),
    ("Docker", docker::fetch),
];

fn binary_in(home: &Path) -> PathBuf {
    home.join("usr").join("bin").join("etcd")
}

/// Works aside and renames, so that neither an interrupted run nor two at once leave half a tree.
fn fetch_into(home: &Path, fetch: Fetch) -> Result<String> {
    let aside = home.with_extension(format!("{}.tmp", std::process::id()));
    let result = fetch_aside(&aside, fetch).and_then(|version| {
        if home.exists() {
            fs::remove_dir_all(home).with_context(|| format!("could not remove {}", home.display()))?;
        }
        fs::rename(aside.join("tree"), home).with_context(|| format!("could not create {}", home.display()))?;
        Ok(version)
    });
    if aside.exists() {
        fs::remove_dir_all(&aside).with_context(|| format!("could not remove {}", aside.display()))?;
    }
    result
}

fn fetch_aside(aside: &Path, fetch: Fetch) -> Result<String> {
    fs::create_dir_all(aside).with_context(|| format!("could not create {}", aside.display()))?;
    fetch(aside)?;
    version(&binary_in(&aside.join("tree")))
}

fn version(binary: &Path) -> Result<String> {
    let answer = process::capture(Command::new(binary).arg("--version"))?;
    match answer.lines().find_map(|line| line.strip_prefix("etcd Version: ")) {
        Some(version) => Ok(version.trim().to_owned()),
        None => bail!("`{} --version` names no etcd version", binary.display()),
    }
}

fn found(binary: PathBuf, version: &str, source: &str) -> PathBuf {
    eprintln!("etcd {version} at {} ({source})", binary.display());
    binary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_etcd_is_refused() {
        let error = version(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.contains("names no etcd version"), "{error}");
    }

    #[test]
    fn a_source_that_fails_leaves_nothing_behind() {
        let home = std::env::temp_dir().join(format!("xtask-etcd-{}", std::process::id()));
        let error = fetch_into(&home, |aside| {
            fs::write(aside.join("half"), "")?;
            bail!("no such package")
        })
        .unwrap_err();
        assert!(error.to_string().contains("no such package"), "{error}");
        assert!(!home.exists());
        assert!(!home.with_extension(format!("{}.tmp", std::process::id())).exists());
    }
}
