//! Programs and files from outside: the caller's own, the machine's, the cache in `target/tools`, the distribution's
//! packages, Docker; in that order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::docker::{self, Image};
use crate::packages::{self, Suite};
use crate::process;
use crate::workspace::Workspace;

/// Something that can be found or fetched.
pub(crate) struct Tool<'a> {
    /// Its name to people, and of its folder in `target/tools`.
    pub(crate) name: &'static str,
    /// The variable by which the caller says where it is.
    pub(crate) chosen_by: Option<&'static str>,
    /// The program to look for on PATH.
    pub(crate) on_path: Option<&'static str>,
    /// What is looked for below the folder in `target/tools`; empty for the folder itself.
    pub(crate) entry: &'static str,
    /// Proves that this path is of use, and tells its version.
    pub(crate) version: &'a dyn Fn(&Path) -> Result<String>,
    pub(crate) sources: &'static [Source],
    pub(crate) what_to_install: &'static str,
}

/// From where it can be fetched.
pub(crate) enum Source {
    /// From the distribution's packages; `arrange` brings the unpacked tree into the shape that the tool has here.
    Packages { suite: Suite, names: &'static [&'static str], arrange: fn(&Path) -> Result<()> },
    /// From the distribution's packages, and all that these depend on but the C library, which is the machine's own.
    PackagesWithAll { names: &'static [&'static str], arrange: fn(&Path) -> Result<()> },
    /// Built from its sources, into `tree` below the given folder.
    Build(fn(&Workspace, &Path) -> Result<()>),
    /// Out of an image: pairs of where something is in it, and where it goes below our folder.
    Image { image: Image, files: &'static [(&'static str, &'static str)] },
}

/// What was found, and where.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Whether any other program of this user finds it as well, without being told.
    pub(crate) is_on_path: bool,
}

/// The tree is of use as it was unpacked.
pub(crate) fn as_it_is(_: &Path) -> Result<()> {
    Ok(())
}

impl Tool<'_> {
    /// Finds it, or fetches it. Says on stderr where it comes from.
    pub(crate) fn find(&self, workspace: &Workspace) -> Result<Found> {
        if let Some((variable, chosen)) = self.chosen() {
            let version =
                (self.version)(&chosen).with_context(|| format!("{variable}={} is of no use", chosen.display()))?;
            return Ok(self.found(chosen, &version, variable, false));
        }
        let mut refusals = Vec::new();
        if let Some(installed) = self.on_path.and_then(process::on_path) {
            match (self.version)(&installed) {
                Ok(version) => return Ok(self.found(installed, &version, "PATH", true)),
                Err(error) => refusals.push(format!("PATH: {error:#}")),
            }
        }
        self.cached_or_fetched(workspace, refusals)
    }

    /// As `find`, but one of our own, whatever the machine has.
    pub(crate) fn fetched(&self, workspace: &Workspace) -> Result<Found> {
        self.cached_or_fetched(workspace, Vec::new())
    }

    fn cached_or_fetched(&self, workspace: &Workspace, mut refusals: Vec<String>) -> Result<Found> {
        let home = workspace.tools().join(self.name);
        if let Ok(version) = (self.version)(&self.within(&home)) {
            return Ok(self.found(self.within(&home), &version, "cache", false));
        }
        for source in self.sources {
            match self.fetch_into(&home, &|aside| source.fetch(workspace, aside)) {
                Ok(version) => return Ok(self.found(self.within(&home), &version, &source.to_string(), false)),
                Err(error) => refusals.push(format!("{source}: {error:#}")),
            }
        }
        bail!("{} was not found:\n  - {}\n{}", self.name, refusals.join("\n  - "), self.what_to_install)
    }

    fn chosen(&self) -> Option<(&'static str, PathBuf)> {
        let variable = self.chosen_by?;
        let chosen = std::env::var_os(variable).filter(|path| !path.is_empty())?;
        Some((variable, PathBuf::from(chosen)))
    }

    fn within(&self, home: &Path) -> PathBuf {
        if self.entry.is_empty() { home.to_owned() } else { home.join(self.entry) }
    }

    /// Works aside and renames, so that neither an interrupted run nor two at once leave half a tree.
    fn fetch_into(&self, home: &Path, fetch: &dyn Fn(&Path) -> Result<()>) -> Result<String> {
        let aside = home.with_extension(format!("{}.tmp", std::process::id()));
        let result = self.fetch_aside(&aside, fetch).and_then(|version| {
            if home.exists() {
                fs::remove_dir_all(home).with_context(|| format!("could not remove {}", home.display()))?;
            }
            fs::rename(aside.join("tree"), home).with_context(|| format!("could not create {}", home.display()))?;
            Ok(version)
        });
        if aside.exists() {
            fs::remove_dir_all(&aside).with_context(|| format!("could not remove {}", aside.display()))?;
        }
        result
    }

    fn fetch_aside(&self, aside: &Path, fetch: &dyn Fn(&Path) -> Result<()>) -> Result<String> {
        fs::create_dir_all(aside).with_context(|| format!("could not create {}", aside.display()))?;
        fetch(aside)?;
        (self.version)(&self.within(&aside.join("tree")))
    }

    fn found(&self, path: PathBuf, version: &str, source: &str, is_on_path: bool) -> Found {
        eprintln!("{} {version} at {} ({source})", self.name, path.display());
        Found { path, is_on_path }
    }
}

impl Source {
    fn fetch(&self, workspace: &Workspace, aside: &Path) -> Result<()> {
        match self {
            Self::Build(build) => build(workspace, aside),
            Self::Packages { suite, names, arrange } => {
                packages::fetch(aside, *suite, names)?;
                arrange(&aside.join("tree"))
            }
            Self::PackagesWithAll { names, arrange } => {
                packages::fetch_with_all(aside, names)?;
                arrange(&aside.join("tree"))
            }
            Self::Image { image, files } => docker::copy_out(*image, files, aside),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Packages { suite: Suite::Own, .. } | Self::PackagesWithAll { .. } => {
                write!(f, "the distribution's packages")
            }
            Self::Packages { suite: Suite::Debian(suite), .. } => write!(f, "the distribution's packages, {suite}"),
            Self::Build(_) => write!(f, "its sources"),
            Self::Image { .. } => write!(f, "Docker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool<'a>(version: &'a dyn Fn(&Path) -> Result<String>) -> Tool<'a> {
        Tool {
            name: "planted",
            chosen_by: None,
            on_path: None,
            entry: "bin/planted",
            version,
            sources: &[],
            what_to_install: "install planted",
        }
    }

    fn home(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()))
    }

    fn read(path: &Path) -> Result<String> {
        Ok(fs::read_to_string(path)?)
    }

    fn plant(aside: &Path, text: &str) -> Result<()> {
        fs::create_dir_all(aside.join("tree/bin"))?;
        Ok(fs::write(aside.join("tree/bin/planted"), text)?)
    }

    #[test]
    fn a_source_that_fails_leaves_nothing_behind() {
        let home = home("fails");
        let error = tool(&read)
            .fetch_into(&home, &|aside| {
                plant(aside, "half")?;
                bail!("no such package")
            })
            .unwrap_err();
        assert!(error.to_string().contains("no such package"), "{error}");
        assert!(!home.exists());
        assert!(!home.with_extension(format!("{}.tmp", std::process::id())).exists());
    }

    #[test]
    fn what_proves_of_no_use_is_not_kept() {
        let home = home("useless");
        let refuse = |_: &Path| -> Result<String> { bail!("does not run here") };
        assert!(tool(&refuse).fetch_into(&home, &|aside| plant(aside, "1")).is_err());
        assert!(!home.exists());
    }

    #[test]
    fn what_is_fetched_takes_the_place_of_what_was_there() {
        let home = home("replaces");
        for version in ["1", "2"] {
            assert_eq!(tool(&read).fetch_into(&home, &|aside| plant(aside, version)).unwrap(), version);
            assert_eq!(fs::read_to_string(home.join("bin/planted")).unwrap(), version);
        }
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_refusal_lists_what_was_tried_and_what_to_install() {
        let root = home("nowhere");
        let workspace = Workspace { target: root.clone(), root, packages: Vec::new() };
        let refuse = |_: &Path| -> Result<String> { bail!("speaks no version") };
        let tool = Tool { on_path: Some("sh"), ..tool(&refuse) };
        let error = tool.find(&workspace).unwrap_err().to_string();
        assert!(error.contains("PATH: speaks no version") && error.contains("install planted"), "{error}");
    }
}
