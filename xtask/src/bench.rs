//! `cargo xtask bench`: brings up what sd-bench measures against, and passes all arguments on.

use anyhow::Result;

use crate::native::Native;
use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{needs, process};

/// Runs the measurements in release mode; a registry whose server can't be had is left out, and so said.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    Native::find(workspace)?.tell(&mut cargo);
    let (servers, missing) = Servers::find_what_can_be_had(workspace);
    servers.tell(&mut cargo);
    cargo.args(["run", "--quiet", "--release", "-p", needs::BENCH, "--no-default-features"]);
    if let Some(bench) = workspace.package(needs::BENCH) {
        needs::say_what_is_left_out(workspace);
        for (registry, why) in &missing {
            eprintln!("{} without its feature `{registry}`: {why:#}", needs::BENCH);
        }
        let is_there = |feature: &&str| !missing.iter().any(|(registry, _)| registry == feature);
        let features: Vec<_> = needs::available_features(bench).map(String::as_str).filter(is_there).collect();
        cargo.arg(format!("--features={}", features.join(",")));
    }
    process::run(cargo.arg("--").args(arguments))
}
