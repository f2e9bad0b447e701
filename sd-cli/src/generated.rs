//! `sdkit completions` and `sdkit man`: what is made from the command line's own description.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::program::Outcome;

/// Print what a shell needs to complete sdkit's arguments
///
/// bash: sdkit completions bash > ~/.local/share/bash-completion/completions/sdkit
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Write the manual pages, sdkit.1 and one for each command, into a folder
#[derive(Args)]
pub(crate) struct Man {
    /// The folder; it must be there
    folder: PathBuf,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command) -> Outcome {
        // Written at once: the generator panics where a pipe is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "sdkit", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(())
    }
}

impl Man {
    pub(crate) fn run(&self, command: Command) -> Outcome {
        clap_mangen::generate_to(command, &self.folder)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.folder.display())))?;
        Ok(())
    }
}
