//! The etcd that the tests start.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::packages::Suite;
use crate::tool::{Source, Tool, as_it_is};
use crate::{docker, process};

/// Debian 12's own suite has 3.4, this one 3.5, whose package runs there as well.
const NEWER_DEBIAN_SUITE: Suite = Suite::Debian("trixie");

/// The server.
pub(crate) const SERVER: Tool<'static> = Tool {
    name: "etcd",
    chosen_by: Some("SD_ETCD"),
    on_path: Some("etcd"),
    entry: "usr/bin/etcd",
    version: &version,
    sources: &[
        Source::Packages { suite: NEWER_DEBIAN_SUITE, names: &["etcd-server"], arrange: as_it_is },
        Source::Packages { suite: Suite::Own, names: &["etcd-server"], arrange: as_it_is },
        Source::Image { image: docker::ETCD, files: &[("/usr/local/bin/etcd", "usr/bin/etcd")] },
    ],
    what_to_install: "\
install etcd 3.4 or newer so that `etcd` is on PATH (Debian, Ubuntu: package `etcd-server`; macOS: brew's `etcd`;
elsewhere: the archive of an etcd release), or set SD_ETCD to the path of the binary",
};

/// The command line's, which tells a container's health.
pub(crate) const CLIENT: Tool<'static> = Tool {
    name: "etcdctl",
    chosen_by: None,
    on_path: Some("etcdctl"),
    entry: "usr/bin/etcdctl",
    version: &client_version,
    sources: &[
        Source::Packages { suite: NEWER_DEBIAN_SUITE, names: &["etcd-client"], arrange: as_it_is },
        Source::Packages { suite: Suite::Own, names: &["etcd-client"], arrange: as_it_is },
    ],
    what_to_install: "install etcd's command line so that `etcdctl` is on PATH (Debian, Ubuntu: package `etcd-client`)",
};

fn version(binary: &Path) -> Result<String> {
    version_after(binary, "--version", "etcd Version: ")
}

fn client_version(binary: &Path) -> Result<String> {
    version_after(binary, "version", "etcdctl version: ")
}

fn version_after(binary: &Path, asked: &str, mark: &str) -> Result<String> {
    let answer = process::capture(Command::new(binary).arg(asked))?;
    match answer.lines().find_map(|line| line.strip_prefix(mark)) {
        Some(version) => Ok(version.trim().to_owned()),
        None => bail!("`{} {asked}` names no etcd version", binary.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_etcd_is_refused() {
        let error = version(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.contains("names no etcd version"), "{error}");
    }
}
