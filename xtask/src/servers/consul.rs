//! The Consul that the tests start.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::packages::Suite;
use crate::tool::{Source, Tool, as_it_is};
use crate::{docker, process};

/// The last of Debian's suites that has Consul: 1.8.7, which runs on newer ones as well.
const LAST_DEBIAN_SUITE: Suite = Suite::Debian("bullseye");

/// The agent, which is the server too.
pub(crate) const SERVER: Tool<'static> = Tool {
    name: "consul",
    chosen_by: Some("SD_CONSUL"),
    on_path: Some("consul"),
    entry: "usr/bin/consul",
    version: &version,
    sources: &[
        Source::Packages { suite: LAST_DEBIAN_SUITE, names: &["consul"], arrange: as_it_is },
        Source::Packages { suite: Suite::Own, names: &["consul"], arrange: as_it_is },
        Source::Image { image: docker::CONSUL, files: &[("/bin/consul", "usr/bin/consul")] },
    ],
    what_to_install: "\
install Consul 1.8 or newer so that `consul` is on PATH (macOS: brew's `consul`; elsewhere: the archive of a Consul
release), or set SD_CONSUL to the path of the binary",
};

fn version(binary: &Path) -> Result<String> {
    let answer = process::capture(Command::new(binary).arg("version"))?;
    match answer.lines().find_map(|line| line.strip_prefix("Consul ")) {
        Some(version) => Ok(version.trim().trim_start_matches('v').to_owned()),
        None => bail!("`{} version` names no Consul version", binary.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_consul_is_refused() {
        let error = version(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.contains("names no Consul version"), "{error}");
    }
}
