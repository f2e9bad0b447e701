//! The image of the book programs, built from this tree: no base image, so that nothing has to be pulled.

use std::process::Command;

use anyhow::Result;

use super::root::Root;
use crate::native::Native;
use crate::workspace::Workspace;
use crate::{docker, needs, process};

pub(super) const IMAGE: docker::Image = docker::Image { variable: "SD_BOOK_IMAGE", default: "sd-book" };

const PROGRAMS: [&str; 3] = ["book-server", "book-client", "book"];

/// Builds the programs with every registry, and makes the image anew.
pub(super) fn make(workspace: &Workspace, native: &Native) -> Result<()> {
    let mut cargo = process::cargo(&workspace.root);
    native.tell(&mut cargo);
    // The same selection as for tests, which leaves little to be built after them.
    cargo.args(["build", "--quiet", "--workspace", "--exclude", needs::BENCH, "--all-features", "--bins"]);
    process::run(&mut cargo)?;
    let root = Root::new(&workspace.tools(), "book")?;
    for program in PROGRAMS {
        let path = format!("/usr/local/bin/{program}");
        root.program(&workspace.target.join("debug").join(program), &path)?;
        // Symbols make nine tenths of the image. Without `strip` it is larger, and works all the same.
        process::works(Command::new("strip").arg(root.at(&path)));
    }
    let name = IMAGE.name();
    let former = docker::id(&name);
    root.import(&name, &["ENV PATH=/usr/local/bin", r#"CMD ["book-server", "--help"]"#])?;
    if let Some(former) = former {
        // One that a container still uses stays.
        process::works(Command::new("docker").args(["image", "rm", &former]));
    }
    Ok(())
}
