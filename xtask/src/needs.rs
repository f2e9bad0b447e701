//! Features of sd-bench that need a program from outside: used where it is there, left out, and said so, where not.

use crate::process;
use crate::workspace::{Package, Workspace};

/// Measures other people's crates as well: it is linted and run, but nothing of ours depends on it.
pub(crate) const BENCH: &str = "sd-bench";

/// A feature, the program its build calls, and the variable that may name that program.
const NEEDS: [(&str, &str, &str); 1] = [("pingora", "cmake", "CMAKE")];

/// The features of a package that can be built on this machine.
pub(crate) fn available_features(package: &Package) -> impl Iterator<Item = &String> {
    package.features.iter().filter(move |feature| package.name != BENCH || missing_program(feature).is_none())
}

/// Says which features are left out, and why.
pub(crate) fn say_what_is_left_out(workspace: &Workspace) {
    let features = workspace.package(BENCH).map(|bench| bench.features.as_slice()).unwrap_or_default();
    for feature in features {
        if let Some(program) = missing_program(feature) {
            eprintln!("{BENCH} without its feature `{feature}`: there is no `{program}`");
        }
    }
}

fn missing_program(feature: &str) -> Option<&'static str> {
    let (_, program, variable) = NEEDS.into_iter().find(|(needing, ..)| *needing == feature)?;
    let is_there = std::env::var_os(variable).is_some() || process::on_path(program).is_some();
    (!is_there).then_some(program)
}
