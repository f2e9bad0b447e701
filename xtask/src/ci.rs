//! `cargo xtask ci`: all that .ci/run asks for, each step to its end, and the failures listed.

use anyhow::Result;

use crate::cli::TestOptions;
use crate::native::Native;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{compose, deny, lint, needs, process, schemathesis, test};

/// Runs everything.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    steps.run("format", || process::run(process::cargo(&workspace.root).args(["fmt", "--all", "--check"])));
    let native = Native::find(workspace)?;
    lint::add_steps(workspace, &native, &mut steps);
    steps.run("docs", || docs(workspace, &native));
    steps.run("licences, bans, sources", || deny::check(workspace));
    match test::steps(workspace, &TestOptions::default()) {
        Ok(tests) => steps.append(tests),
        Err(error) => {
            steps.run("tests", || Err(error));
        }
    }
    match schemathesis::what_is_missing() {
        None => {
            let run = || schemathesis::run(workspace, schemathesis::USUAL);
            steps.run("the centre's API under schemathesis", run);
        }
        Some(missing) => eprintln!("\n=== schemathesis: left out: {missing}"),
    }
    match compose::what_is_missing() {
        None => compose::checks::add_steps(workspace, &native, &mut steps),
        Some(missing) => eprintln!("\n=== compose: left out: {missing}"),
    }
    steps.finish("xtask ci")
}

fn docs(workspace: &Workspace, native: &Native) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    native.tell(cargo.env("RUSTDOCFLAGS", "-D warnings"));
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
