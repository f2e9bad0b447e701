//! The loom models: the same code, compiled so that loom chooses every interleaving.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;
use crate::workspace::Workspace;

const PACKAGES: [&str; 2] = ["sd-core", "sd-lb"];

/// One step per package that has models.
pub(crate) fn add_steps(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    for name in PACKAGES {
        let Some(package) = workspace.package(name) else {
            continue;
        };
        if names_loom(&package.folder.join("src"))? {
            steps.run(format!("loom models of {name}"), || run(workspace, name));
        }
    }
    Ok(())
}

fn run(workspace: &Workspace, package: &str) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    // Other flags would otherwise throw away everything built in the common folder.
    cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.root.join("target").join("loom"));
    cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    cargo.args(["test", "--release", "--lib", "-p", package, "loom_"]);
    let mut passed = 0;
    process::run_inspected(&mut cargo, |line| passed += passed_in(line))?;
    if passed == 0 {
        bail!("{package} names cfg(loom), but has no test whose name contains `loom_`");
    }
    Ok(())
}

/// `test result: ok. 3 passed; 0 failed; …`
fn passed_in(line: &str) -> usize {
    let count = line.strip_prefix("test result: ok. ").and_then(|rest| rest.split_once(" passed"));
    count.and_then(|(count, _)| count.parse().ok()).unwrap_or(0)
}

fn names_loom(folder: &Path) -> Result<bool> {
    for entry in fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let path = entry.with_context(|| format!("could not read {}", folder.display()))?.path();
        let named = if path.is_dir() {
            names_loom(&path)?
        } else {
            let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
            let text = String::from_utf8_lossy(&text);
            text.lines().any(|line| line.contains("cfg(") && line.contains("loom"))
        };
        if named {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_models_are_counted() {
        assert_eq!(passed_in("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 70 filtered out"), 3);
        assert_eq!(passed_in("running 3 tests"), 0);
    }
}
