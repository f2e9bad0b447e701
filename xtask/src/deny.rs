//! cargo-deny: licences, banned crates and sources, by the rules in deny.toml.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// The one whose rules deny.toml is written for.
const VERSION: &str = "0.20.2";

/// Runs the checks that need nothing but the lock file and the sources.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let program = find_or_install(workspace)?;
    let mut deny = process::cargo_tool(program, &workspace.root);
    deny.args(["--workspace", "--all-features", "check", "bans", "licenses", "sources"]);
    process::run(&mut deny)
}

fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(installed) = process::on_path("cargo-deny") {
        return Ok(installed);
    }
    let tools = workspace.tools();
    let cached = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !process::works(Command::new(&cached).arg("--version")) {
        process::run(&mut installation(workspace))?;
    }
    Ok(cached)
}

/// It runs for a second here, so that time to build it counts for more than its speed.
fn installation(workspace: &Workspace) -> Command {
    let tools = workspace.tools();
    let mut install = process::cargo(&workspace.root);
    install.args(["install", "cargo-deny", "--quiet", "--locked", "--version", VERSION, "--root"]).arg(&tools);
    install.env("CARGO_TARGET_DIR", tools.join("build"));
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    install
}
