//! The images that compose.yaml names: official ones, where they can be had; else stand-ins; and the book's own.

mod book;
mod root;
mod stand_in;

use anyhow::{Result, bail};

use crate::native::Native;
use crate::workspace::Workspace;
use crate::{docker, servers};

/// What compose is to be told.
#[derive(Debug)]
pub(crate) struct Images {
    /// Names by variable; what is not here is as compose.yaml has it.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Images {
    /// All registries' images: what the caller chose, else the official, else a stand-in.
    pub(crate) fn of_registries(workspace: &Workspace) -> Result<Self> {
        if !docker::runs() {
            bail!("no Docker daemon answers");
        }
        let mut variables = Vec::new();
        let mut can_pull = true;
        for stand_in in stand_in::ALL {
            let official = stand_in.official;
            let name = official.name();
            if !can_pull && !docker::has(&name) || docker::pull(&name).is_err() {
                if name != official.default {
                    bail!("{}={name} is not here, and can't be pulled", official.variable);
                }
                // Where one can't be pulled the others can't: each attempt may take its time.
                can_pull = false;
                stand_in.provide(workspace)?;
                variables.push((official.variable, stand_in.name.to_owned()));
            }
        }
        Ok(Self { variables })
    }

    /// The book's as well, built from this tree.
    pub(crate) fn with_book(mut self, workspace: &Workspace, native: &Native) -> Result<Self> {
        book::make(workspace, native)?;
        self.variables.push((book::IMAGE.variable, book::IMAGE.name()));
        Ok(self)
    }
}

/// Makes them all, and prints what a shell evaluates before it calls compose.
pub(crate) fn make_and_print_exports(workspace: &Workspace) -> Result<()> {
    let images = Images::of_registries(workspace)?.with_book(workspace, &Native::find(workspace)?)?;
    images.variables.iter().try_for_each(|(name, value)| servers::print_export(name, value))
}
