//! `cargo xtask ci`: all that .ci/run asks for, each step to its end, and the failures listed.

use anyhow::Result;

use crate::cli::TestOptions;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{deny, lint, needs, process, protoc, test};

/// Runs everything.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    steps.run("format", || process::run(process::cargo(&workspace.root).args(["fmt", "--all", "--check"])));
    lint::add_steps(workspace, &mut steps)?;
    steps.run("docs", || docs(workspace));
    steps.run("licences, bans, sources", || deny::check(workspace));
    match test::steps(workspace, &TestOptions::default()) {
        Ok(tests) => steps.append(tests),
        Err(error) => {
            steps.run("tests", || Err(error));
        }
    }
    steps.finish("xtask ci")
}

fn docs(workspace: &Workspace) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.env("RUSTDOCFLAGS", "-D warnings").env(protoc::VARIABLE, protoc::find()?);
    process::run(cargo.args([
        "doc",
        "--quiet",
        "--no-deps",
        "--workspace",
        "--exclude",
        needs::BENCH,
        "--all-features",
    ]))
}
