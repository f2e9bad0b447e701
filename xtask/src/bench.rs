//! `cargo xtask bench`: brings up what sd-bench measures against, and passes all arguments on.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{etcd, process, protoc};

/// Runs the measurements in release mode.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.env(protoc::VARIABLE, protoc::find()?).env(etcd::FOR_TESTS, etcd::find(workspace)?);
    process::run(cargo.args(["run", "--quiet", "--release", "-p", "sd-bench", "--"]).args(arguments))
}
