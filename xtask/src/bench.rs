//! `cargo xtask bench`: brings up what sd-bench measures against, and passes all arguments on.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{etcd, needs, process, protoc};

/// Runs the measurements in release mode.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.env(protoc::VARIABLE, protoc::find()?).env(etcd::FOR_TESTS, etcd::find(workspace)?);
    cargo.args(["run", "--quiet", "--release", "-p", needs::BENCH]);
    if let Some(bench) = workspace.package(needs::BENCH) {
        needs::say_what_is_left_out(workspace);
        let features: Vec<_> = needs::available_features(bench).map(String::as_str).collect();
        cargo.arg(format!("--features={}", features.join(",")));
    }
    process::run(cargo.arg("--").args(arguments))
}
