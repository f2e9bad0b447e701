//! What builds need beside Rust: protoc for etcd's client, OpenSSL for Consul's.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{openssl, protoc, servers};

/// The same for every call of cargo: what changes between two is built anew.
#[derive(Debug)]
pub(crate) struct Native {
    variables: Vec<(&'static str, OsString)>,
}

impl Native {
    /// Finds it, or fetches it.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let mut variables = vec![(protoc::VARIABLE, protoc::find()?)];
        variables.extend(openssl::variables(workspace)?);
        Ok(Self { variables })
    }

    /// Tells the builds that this command runs.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// Prints what a shell evaluates to build by hand.
    pub(crate) fn print_exports(&self) -> Result<()> {
        self.variables.iter().try_for_each(|(name, value)| servers::print_export(name, value))
    }
}
