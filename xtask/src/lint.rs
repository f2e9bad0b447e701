//! Clippy over every set of features that a user can choose.

use std::process::Command;

use anyhow::Result;

use crate::native::Native;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{needs, process, protoc};

/// A toolchain newer than `rust-version` compiles what that one does not have; clippy knows.
const DENIED: [&str; 5] = ["--", "-D", "warnings", "-D", "clippy::incompatible_msrv"];

/// One step per selection.
pub(crate) fn add_steps(workspace: &Workspace, native: &Native, steps: &mut Steps) {
    let mut default_members = process::cargo(&workspace.root);
    // A plain `cargo build` has to do without.
    default_members.env_remove(protoc::VARIABLE);
    steps.run("clippy: default members", || clippy(&mut default_members, &[]));
    needs::say_what_is_left_out(workspace);
    for selection in selections(workspace) {
        let mut cargo = process::cargo(&workspace.root);
        native.tell(&mut cargo);
        steps.run(format!("clippy: {}", selection.join(" ")), || clippy(&mut cargo, &selection));
    }
}

fn clippy(cargo: &mut Command, selection: &[String]) -> Result<()> {
    process::run(cargo.args(["clippy", "--quiet"]).args(selection).args(DENIED))
}

/// All of ours with everything, then each package alone: built together, one lends its features to another.
fn selections(workspace: &Workspace) -> Vec<Vec<String>> {
    let all_of_ours = format!("--workspace --exclude {} --all-features --all-targets", needs::BENCH);
    let mut selections = vec![words(&all_of_ours)];
    for package in &workspace.packages {
        let alone = format!("-p {} --no-default-features", package.name);
        selections.push(words(&alone));
        let features: Vec<_> = needs::available_features(package).map(String::as_str).collect();
        selections.extend(features.iter().map(|feature| words(&format!("{alone} --features {feature}"))));
        if features.len() > 1 || package.name == needs::BENCH {
            selections.push(words(&format!("{alone} --all-targets --features {}", features.join(","))));
        }
    }
    selections
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Package;

    #[test]
    fn every_feature_is_linted_alone_and_all_together() {
        let package = |name: &str, features: &[&str]| Package {
            name: name.to_owned(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
            binaries: Vec::new(),
            folder: PathBuf::new(),
            is_default: true,
        };
        let workspace = Workspace {
            root: PathBuf::new(),
            target: PathBuf::new(),
            packages: vec![package("a", &[]), package("b", &["x", "y"])],
        };
        let lines: Vec<_> = selections(&workspace).iter().map(|selection| selection.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "--workspace --exclude sd-bench --all-features --all-targets",
                "-p a --no-default-features",
                "-p b --no-default-features",
                "-p b --no-default-features --features x",
                "-p b --no-default-features --features y",
                "-p b --no-default-features --all-targets --features x,y",
            ]
        );
    }
}
