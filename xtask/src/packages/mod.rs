//! The distribution's packages unpacked below `target`, without installing them: no root, and nothing of the system
//! changes.

mod apt;
mod apt_sources;
mod links;

use std::path::Path;

use anyhow::{Result, bail};

use apt::Apt;
use apt_sources::{Distribution, Sources};

/// Where packages are taken from: the machine's own apt source, with this suite's name in place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// The one that this machine runs.
    Own,
    /// One of Debian's, on Debian only: what other distributions call their suites is not known here.
    Debian(&'static str),
}

/// Unpacks these packages, and none that they depend on, over each other into `aside/tree`.
pub(crate) fn fetch(aside: &Path, suite: Suite, names: &[&str]) -> Result<()> {
    let distribution = Distribution::of_this_machine()?;
    let wanted = match suite {
        Suite::Own => distribution.suite.as_str(),
        Suite::Debian(_) if distribution.id != "debian" => {
            bail!("`{}` is not Debian, and its suites are not known here", distribution.id)
        }
        Suite::Debian(name) => name,
    };
    let apt = Apt::prepare(aside, &Sources::of_this_machine(&distribution.suite, wanted)?)?;
    eprintln!("fetching {} of {wanted} …", names.join(", "));
    let tree = aside.join("tree");
    apt.unpack(names, &tree)?;
    links::keep_within(&tree)
}

/// Unpacks these packages of the machine's own suite, and all that they depend on, over each other into `aside/tree`.
/// Of the C library nothing: programs find their loader at a fixed place, so that it is the machine's, and the library
/// has to fit it.
pub(crate) fn fetch_with_all(aside: &Path, names: &[&str]) -> Result<()> {
    const OF_THE_MACHINE: [&str; 2] = ["libc6", "libc-bin"];
    let suite = Distribution::of_this_machine()?.suite;
    let apt = Apt::prepare(aside, &Sources::of_this_machine(&suite, &suite)?)?;
    eprintln!("fetching {} of {suite}, with all that they stand on …", names.join(", "));
    let tree = aside.join("tree");
    apt.unpack_with_all(names, &OF_THE_MACHINE, &tree)?;
    links::keep_within(&tree)
}
