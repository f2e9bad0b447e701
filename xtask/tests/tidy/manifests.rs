//! What every crate's Cargo.toml takes from the workspace.

use std::fs;

use crate::assert_none;
use crate::tree::packages;

/// Whether `table` sets `key` from the workspace, in either of TOML's spellings that we use.
fn inherits(manifest: &str, table: &str, key: &str) -> bool {
    let mut current = String::new();
    let dotted = format!("{key}.workspace=true");
    let inline = format!("{key}={{workspace=true}}");
    manifest.lines().any(|line| {
        let line: String = line.split('#').next().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut current);
        }
        current == table && (line == dotted || line == inline)
    })
}

fn takes_lints(manifest: &str) -> bool {
    let lines: Vec<_> = manifest.lines().map(|line| line.replace(' ', "")).collect();
    let below = lines.iter().skip_while(|line| *line != "[lints]").skip(1).take_while(|line| !line.starts_with('['));
    below.into_iter().any(|line| line == "workspace=true") || lines.iter().any(|line| line == "lints.workspace=true")
}

fn complaints_about(name: &str, manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !takes_lints(manifest) {
        complaints
            .push(format!("{name}: `[lints] workspace = true` is missing: the workspace's lints do not hold for it"));
    }
    if !inherits(manifest, "package", "rust-version") {
        complaints.push(format!(
            "{name}: `rust-version.workspace = true` is missing: clippy cannot hold it to our oldest Rust"
        ));
    }
    complaints
}

#[test]
fn every_crate_takes_lints_and_rust_version_from_the_workspace() {
    let complaints = packages().iter().flat_map(|package| {
        let path = package["manifest_path"].as_str().unwrap();
        complaints_about(package["name"].as_str().unwrap(), &fs::read_to_string(path).unwrap())
    });
    assert_none("manifests", &complaints.collect::<Vec<_>>());
}

#[test]
fn a_planted_manifest_is_complained_about() {
    let good = "[package]\nname = \"a\"\nrust-version.workspace = true\n\n[lints]\nworkspace = true\n";
    assert_none("a good manifest", &complaints_about("a", good));
    let own = "[package]\nrust-version = \"1.90\"\n\n[lints]\n# workspace = true\n\n[other]\nworkspace = true\n";
    assert_eq!(complaints_about("a", own).len(), 2);
}
