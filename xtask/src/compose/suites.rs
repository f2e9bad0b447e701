//! The conformance and fault suites, run against the containers of compose.yaml instead of processes.

use std::process::Command;

use anyhow::Result;

use super::Project;
use crate::images::Images;
use crate::workspace::Workspace;

/// Names the containers to the tests: the words of the compose command up to its subcommand, a line each. Which ports
/// they have, the tests read from the variables that compose.yaml reads.
pub(crate) const FOR_TESTS: &str = "SD_TEST_COMPOSE";

const SERVICES: [&str; 3] = ["etcd", "consul", "zookeeper"];

/// Which tests those are, in nextest's language.
pub(crate) const FILTER: &str = "package(/^sd-(etcd|consul|zookeeper)$/) and (binary(conformance) or binary(faults))";

/// The same, in cargo's.
pub(crate) const PACKAGES: [&str; 3] = ["sd-etcd", "sd-consul", "sd-zookeeper"];
pub(crate) const BINARIES: [&str; 2] = ["conformance", "faults"];

/// The registries as containers, up and healthy.
pub(crate) struct Containers {
    project: Project,
}

impl Containers {
    pub(crate) fn bring_up(workspace: &Workspace) -> Result<Self> {
        let images = Images::of_registries(workspace)?;
        let project = Project::new(workspace, "test", &images)?;
        project.up(&SERVICES)?;
        Ok(Self { project })
    }

    /// Tells the tests that this command runs. They share the containers, so it must run one at a time.
    pub(crate) fn tell(&self, command: &mut Command) {
        self.project.tell(command);
        command.env(FOR_TESTS, self.project.words().join("\n"));
    }
}
