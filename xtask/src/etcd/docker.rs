//! etcd taken out of its official image, where Docker runs and can pull.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

const IMAGE: &str = "quay.io/coreos/etcd:v3.5.16";
const BINARY_IN_IMAGE: &str = "/usr/local/bin/etcd";
const PULL_LIMIT: Duration = Duration::from_secs(180);

/// Copies the binary out of a container that is never started.
pub(crate) fn fetch(aside: &Path) -> Result<()> {
    if cfg!(not(target_os = "linux")) {
        bail!("the image holds a binary for Linux only");
    }
    if !process::works(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) {
        bail!("no Docker daemon answers");
    }
    let image = std::env::var("SD_ETCD_IMAGE").unwrap_or_else(|_| IMAGE.to_owned());
    if !process::works(Command::new("docker").args(["image", "inspect", &image])) {
        eprintln!("pulling {image} …");
        let mut pull = Command::new("docker");
        pull.args(["pull", "--quiet", &image]).stdout(Stdio::null());
        process::run_within(&mut pull, PULL_LIMIT)?;
    }
    let container = process::capture(Command::new("docker").args(["create", &image]))?;
    let container = container.trim();
    let copied = copy_binary(container, aside);
    let removed = process::capture(Command::new("docker").args(["rm", container]));
    copied?;
    removed?;
    Ok(())
}

fn copy_binary(container: &str, aside: &Path) -> Result<()> {
    let folder = aside.join("tree").join("usr").join("bin");
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let mut copy = Command::new("docker");
    copy.arg("cp").arg(format!("{container}:{BINARY_IN_IMAGE}")).arg(folder.join("etcd"));
    process::capture(&mut copy)?;
    Ok(())
}
