//! Files taken out of official images, where Docker runs and can pull.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// Official images; the versions that the tests are meant for.
pub(crate) const ETCD: Image = Image { variable: "SD_ETCD_IMAGE", default: "quay.io/coreos/etcd:v3.5.16" };
pub(crate) const CONSUL: Image = Image { variable: "SD_CONSUL_IMAGE", default: "consul:1.8.7" };
pub(crate) const ZOOKEEPER: Image = Image { variable: "SD_ZOOKEEPER_IMAGE", default: "zookeeper:3.8.0" };

const PULL_LIMIT: Duration = Duration::from_secs(120);

/// An image, and the variable that names another in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) variable: &'static str,
    pub(crate) default: &'static str,
}

impl Image {
    pub(crate) fn name(&self) -> String {
        let chosen = std::env::var(self.variable).ok().filter(|name| !name.is_empty());
        chosen.unwrap_or_else(|| self.default.to_owned())
    }
}

/// Whether a daemon answers.
pub(crate) fn runs() -> bool {
    process::works(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
}

/// Whether the daemon has this image.
pub(crate) fn has(name: &str) -> bool {
    process::works(Command::new("docker").args(["image", "inspect", name]))
}

/// The id of the image of this name.
pub(crate) fn id(name: &str) -> Option<String> {
    let id = process::capture(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", name])).ok()?;
    Some(id.trim().to_owned())
}

/// Makes sure that the daemon has this image.
pub(crate) fn pull(name: &str) -> Result<()> {
    if !has(name) {
        eprintln!("pulling {name} …");
        let mut pull = Command::new("docker");
        pull.args(["pull", "--quiet", name]).stdout(Stdio::null());
        process::run_within(&mut pull, PULL_LIMIT)?;
    }
    Ok(())
}

/// Copies files and folders out of a container that is never started: pairs of where they are in the image, and where
/// they go below `aside/tree`.
pub(crate) fn copy_out(image: Image, files: &[(&str, &str)], aside: &Path) -> Result<()> {
    if cfg!(not(target_os = "linux")) {
        bail!("the image holds what runs on Linux only");
    }
    if !runs() {
        bail!("no Docker daemon answers");
    }
    let name = image.name();
    pull(&name)?;
    let container = process::capture(Command::new("docker").args(["create", &name]))?;
    let container = container.trim();
    let copied = files.iter().try_for_each(|(from, to)| copy(container, from, &aside.join("tree").join(to)));
    let removed = process::capture(Command::new("docker").args(["rm", "--volumes", container]));
    copied?;
    removed?;
    Ok(())
}

fn copy(container: &str, from: &str, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    process::capture(Command::new("docker").arg("cp").arg(format!("{container}:{from}")).arg(to))?;
    Ok(())
}
