//! The ZooKeeper that the tests start: a folder of jars, and a Java to run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages::Suite;
use crate::tool::{Source, Tool};
use crate::{docker, process};

/// What a standalone server loads, with TLS and without its HTTP pages; a start among all of Debian's jars takes longer.
const JARS: [&str; 7] = [
    "zookeeper.jar",
    "zookeeper-jute.jar",
    "metrics-core.jar",
    "slf4j-api.jar",
    "slf4j-simple.jar",
    "snappy-java.jar",
    "netty-",
];

const PACKAGES: &[&str] =
    &["libzookeeper-java", "libslf4j-java", "libdropwizard-metrics-java", "libsnappy-java", "libnetty-java"];

/// The jars, for `java -cp 'FOLDER/*'`. `version` runs them.
pub(crate) fn jars(version: &dyn Fn(&Path) -> Result<String>) -> Tool<'_> {
    Tool {
        name: "zookeeper",
        chosen_by: Some("SD_ZOOKEEPER"),
        on_path: None,
        entry: "lib",
        version,
        sources: &[
            Source::Packages { suite: Suite::Debian("bookworm"), names: PACKAGES, arrange: collect_jars },
            Source::Packages { suite: Suite::Own, names: PACKAGES, arrange: collect_jars },
            Source::Image { image: docker::ZOOKEEPER, files: &[("/apache-zookeeper-3.8.0-bin/lib", "lib")] },
        ],
        what_to_install: "\
unpack the archive of a ZooKeeper release, 3.6 or newer, and set SD_ZOOKEEPER to its folder `lib`",
    }
}

/// Asks the jars in `folder`.
pub(crate) fn version(java: &Path, folder: &Path) -> Result<String> {
    let mut ask = Command::new(java);
    ask.arg("-cp").arg(folder.join("*")).arg("org.apache.zookeeper.Version");
    let answer = process::capture(&mut ask)?;
    // `3.8.0-<commit>, built on <date>`
    let version = answer.lines().find(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    match version.and_then(|line| line.split(['-', ',']).next()) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("the jars in {} tell no ZooKeeper version", folder.display()),
    }
}

/// Moves the jars that a server needs into `lib`, and forgets the rest.
fn collect_jars(tree: &Path) -> Result<()> {
    let lib = tree.join("lib");
    fs::create_dir(&lib).with_context(|| format!("could not create {}", lib.display()))?;
    for jar in jars_in(&tree.join("usr").join("share").join("java"))? {
        let name = jar.file_name().context("a jar has a name")?;
        fs::rename(&jar, lib.join(name)).with_context(|| format!("could not move {}", jar.display()))?;
    }
    let rest = tree.join("usr");
    fs::remove_dir_all(&rest).with_context(|| format!("could not remove {}", rest.display()))
}

/// Each jar once: beside it stands a link whose name bears the version.
fn jars_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("could not read {}", folder.display());
    let mut jars = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let wanted = JARS.iter().any(|jar| name == *jar || jar.ends_with('-') && name.starts_with(jar));
        if wanted && entry.file_type().with_context(unreadable)?.is_file() {
            jars.push(entry.path());
        }
    }
    Ok(jars)
}
