//! The Java that ZooKeeper runs on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages::Suite;
use crate::tool::{Source, Tool};
use crate::{docker, process};

/// A runtime without a desktop.
pub(crate) const RUNTIME: Tool<'static> = Tool {
    name: "java",
    chosen_by: Some("SD_JAVA"),
    on_path: Some("java"),
    entry: "jvm/bin/java",
    version: &version,
    sources: &[
        Source::Packages {
            suite: Suite::Debian("bookworm"),
            names: &["openjdk-17-jre-headless"],
            arrange: give_it_a_fixed_place,
        },
        Source::Packages { suite: Suite::Own, names: &["openjdk-17-jre-headless"], arrange: give_it_a_fixed_place },
        Source::Packages { suite: Suite::Own, names: &["openjdk-21-jre-headless"], arrange: give_it_a_fixed_place },
        Source::Image { image: docker::ZOOKEEPER, files: &[("/usr/local/openjdk-11", "jvm")] },
    ],
    what_to_install: "\
install a Java runtime, 11 or newer, so that `java` is on PATH (Debian, Ubuntu: package `default-jre-headless`; macOS:
brew's `openjdk`), or set SD_JAVA to the path of the `java` program",
};

/// Its folder is named after version and architecture: `jvm` leads there.
fn give_it_a_fixed_place(tree: &Path) -> Result<()> {
    let all = tree.join("usr").join("lib").join("jvm");
    let entries = fs::read_dir(&all).with_context(|| format!("could not read {}", all.display()))?;
    let mut homes = entries.filter_map(Result::ok).filter(|entry| entry.path().join("bin/java").is_file());
    let home = homes.next().with_context(|| format!("no Java runtime stands in {}", all.display()))?;
    link(&Path::new("usr/lib/jvm").join(home.file_name()), &tree.join("jvm"))?;
    // Debian keeps it below /etc and links to it; without it a runtime tells its version, and fails at the first socket.
    let security = tree.join("jvm/conf/security/java.security");
    fs::metadata(&security).with_context(|| format!("could not read {}", security.display()))?;
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, link).with_context(|| format!("could not create {}", link.display()))
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> Result<()> {
    bail!("packages are unpacked on Unix only")
}

fn version(binary: &Path) -> Result<String> {
    let answer = process::capture(Command::new(binary).arg("--version"))?;
    match answer.lines().next().and_then(|line| line.split_whitespace().nth(1)) {
        Some(version) if version.starts_with(|first: char| first.is_ascii_digit()) => Ok(version.to_owned()),
        _ => bail!("`{} --version` names no Java version", binary.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_java_is_refused() {
        let error = version(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.contains("names no Java version"), "{error}");
    }
}
