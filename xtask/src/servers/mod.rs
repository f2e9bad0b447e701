//! The servers that the tests start, the browser that they look with, and the variables that name them to the tests.

pub(crate) mod chromium;
pub(crate) mod consul;
pub(crate) mod etcd;
pub(crate) mod java;
pub(crate) mod zookeeper;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result};

use crate::workspace::Workspace;

const ETCD: &str = "SD_TEST_ETCD";
const CONSUL: &str = "SD_TEST_CONSUL";
const ZOOKEEPER: &str = "SD_TEST_ZOOKEEPER";
const JAVA: &str = "SD_TEST_JAVA";
const CHROMIUM: &str = "SD_TEST_CHROMIUM";

/// All that can be said to the tests, or by the caller to us.
pub(crate) const VARIABLES: [&str; 10] =
    [ETCD, CONSUL, ZOOKEEPER, JAVA, CHROMIUM, "SD_ETCD", "SD_CONSUL", "SD_ZOOKEEPER", "SD_JAVA", "SD_CHROMIUM"];

/// A variable, and the path that it names.
type Found = Vec<(&'static str, PathBuf)>;

/// Finds a server, or fetches it.
type Find = fn(&Workspace) -> Result<Found>;

/// The registries by name.
const REGISTRIES: [(&str, Find); 3] = [("etcd", find_etcd), ("consul", find_consul), ("zookeeper", find_zookeeper)];

/// What was found.
#[derive(Debug)]
pub(crate) struct Servers {
    variables: Found,
}

impl Servers {
    /// All of them, and the browser, fetched if need be.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let all = REGISTRIES.iter().map(|(_, find)| *find).chain([find_chromium as Find]);
        let found = all.map(|find| find(workspace));
        Ok(Self { variables: found.collect::<Result<Vec<_>>>()?.concat() })
    }

    /// Those that can be had; of the others the registry's name, and why not.
    pub(crate) fn find_what_can_be_had(workspace: &Workspace) -> (Self, Vec<(&'static str, Error)>) {
        let (mut variables, mut missing) = (Vec::new(), Vec::new());
        for (name, find) in REGISTRIES {
            match find(workspace) {
                Ok(found) => variables.extend(found),
                Err(error) => missing.push((name, error)),
            }
        }
        (Self { variables }, missing)
    }

    /// etcd alone.
    pub(crate) fn find_etcd(workspace: &Workspace) -> Result<Self> {
        Ok(Self { variables: find_etcd(workspace)? })
    }

    /// Tells the tests that this command runs.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, path)| (name, path)));
    }

    /// Prints what a shell evaluates to run tests by hand.
    pub(crate) fn print_exports(&self) -> Result<()> {
        self.variables.iter().try_for_each(|(name, path)| print_export(name, path))
    }
}

fn find_etcd(workspace: &Workspace) -> Result<Found> {
    Ok(vec![(ETCD, etcd::SERVER.find(workspace)?.path)])
}

fn find_consul(workspace: &Workspace) -> Result<Found> {
    Ok(vec![(CONSUL, consul::SERVER.find(workspace)?.path)])
}

fn find_zookeeper(workspace: &Workspace) -> Result<Found> {
    let java = java::RUNTIME.find(workspace)?;
    let version = |folder: &Path| zookeeper::version(&java.path, folder);
    let mut found = vec![(ZOOKEEPER, zookeeper::jars(&version).find(workspace)?.path)];
    if !java.is_on_path {
        found.push((JAVA, java.path));
    }
    Ok(found)
}

fn find_chromium(workspace: &Workspace) -> Result<Found> {
    Ok(vec![(CHROMIUM, chromium::BROWSER.find(workspace)?.path)])
}

/// Prints one variable for a shell to evaluate.
pub(crate) fn print_export(name: &str, value: impl AsRef<Path>) -> Result<()> {
    let value = value.as_ref().to_str().with_context(|| format!("the value of {name} is not UTF-8"))?;
    println!("export {name}='{}'", value.replace('\'', r"'\''"));
    Ok(())
}
