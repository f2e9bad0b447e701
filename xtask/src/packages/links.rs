//! Symbolic links of an unpacked tree, turned so that they stay within it.
//!
//! A package's absolute links mean the system that it is installed on: Debian's JRE finds its own configuration below
//! `/etc` that way. Unpacked elsewhere they would lead to the machine's files, or nowhere.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

/// Makes every absolute link relative whose target stands in the tree; the others stay as they are.
pub(super) fn keep_within(tree: &Path) -> Result<()> {
    each_link(tree, tree, &mut |link, target| {
        let Ok(below_root) = target.strip_prefix("/") else { return Ok(()) };
        if fs::symlink_metadata(tree.join(below_root)).is_err() {
            return Ok(());
        }
        let folder = link.parent().unwrap_or(link);
        let up: PathBuf = folder.components().map(|_| Component::ParentDir).collect();
        replace(&tree.join(link), &up.join(below_root))
    })
}

/// Calls with the path of each link from the tree's root, and with what it says.
fn each_link(tree: &Path, folder: &Path, act: &mut impl FnMut(&Path, &Path) -> Result<()>) -> Result<()> {
    let unreadable = || format!("could not read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        let kind = entry.file_type().with_context(unreadable)?;
        if kind.is_dir() {
            each_link(tree, &path, act)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).with_context(|| format!("could not read {}", path.display()))?;
            act(path.strip_prefix(tree).context("outside its own tree")?, &target)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn replace(link: &Path, target: &Path) -> Result<()> {
    fs::remove_file(link).with_context(|| format!("could not remove {}", link.display()))?;
    std::os::unix::fs::symlink(target, link).with_context(|| format!("could not create {}", link.display()))
}

#[cfg(not(unix))]
fn replace(_: &Path, _: &Path) -> Result<()> {
    anyhow::bail!("packages are unpacked on Unix only")
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn absolute_links_into_the_tree_are_made_relative_and_others_left() {
        let tree = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        fs::create_dir_all(tree.join("usr/lib/jvm")).unwrap();
        fs::create_dir_all(tree.join("etc/java")).unwrap();
        fs::write(tree.join("etc/java/security"), "own").unwrap();
        symlink("/etc/java", tree.join("usr/lib/jvm/conf")).unwrap();
        symlink("/etc/java/security", tree.join("top")).unwrap();
        symlink("/etc/no-such-file", tree.join("usr/dangling")).unwrap();
        symlink("../lib", tree.join("usr/lib/relative")).unwrap();

        keep_within(&tree).unwrap();

        assert_eq!(fs::read_to_string(tree.join("usr/lib/jvm/conf/security")).unwrap(), "own");
        assert_eq!(fs::read_link(tree.join("top")).unwrap(), Path::new("etc/java/security"));
        assert_eq!(fs::read_link(tree.join("usr/dangling")).unwrap(), Path::new("/etc/no-such-file"));
        assert_eq!(fs::read_link(tree.join("usr/lib/relative")).unwrap(), Path::new("../lib"));
        fs::remove_dir_all(&tree).unwrap();
    }
}
