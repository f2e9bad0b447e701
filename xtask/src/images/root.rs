//! The root folder of an image: programs of this machine with the libraries that they load, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// A folder that becomes an image. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct Root {
    folder: PathBuf,
}

impl Root {
    /// An empty one.
    pub(super) fn new(tools: &Path, name: &str) -> Result<Self> {
        let folder = tools.join(format!("image-{name}.{}.tmp", std::process::id()));
        let root = Self { folder };
        // Programs expect it, and what is mounted over it by Docker needs no more than this.
        root.folder("tmp")?;
        Ok(root)
    }

    /// Where a path of the image is here.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    pub(super) fn folder(&self, path: &str) -> Result<()> {
        let folder = self.at(path);
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))
    }

    /// A program, and what the loader will look for.
    pub(super) fn program(&self, program: &Path, path: &str) -> Result<()> {
        self.copy(program, path)?;
        self.libraries_of(program, program)
    }

    /// What a program or library loads that is in the image by other means; what stands below `own` is there already.
    pub(super) fn libraries_of(&self, program: &Path, own: &Path) -> Result<()> {
        let mut ldd = Command::new("ldd");
        ldd.arg(program).stdin(Stdio::null());
        // Java's libraries find this one in the process that has loaded it.
        ldd.env("LD_LIBRARY_PATH", program.with_file_name("server"));
        let output = ldd.output().with_context(|| format!("could not start `{}`", process::shown(&ldd)))?;
        // It fails for a static program, which needs none.
        for library in libraries_in(&String::from_utf8_lossy(&output.stdout))? {
            if !Path::new(&library).starts_with(own) && !self.at(&library).exists() {
                self.copy(Path::new(&library), &library)?;
            }
        }
        Ok(())
    }

    /// The file that `from` leads to.
    pub(super) fn copy(&self, from: &Path, path: &str) -> Result<()> {
        let to = self.at(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        fs::copy(from, &to).with_context(|| format!("could not copy {}", from.display()))?;
        Ok(())
    }

    /// A whole folder, its links as they are.
    pub(super) fn copy_tree(&self, from: &Path, path: &str) -> Result<()> {
        self.folder(path)?;
        process::capture(Command::new("cp").arg("-a").arg(from.join(".")).arg(self.at(path)))?;
        Ok(())
    }

    #[cfg(unix)]
    pub(super) fn script(&self, path: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let script = self.at(path);
        fs::write(&script, text).with_context(|| format!("could not write {}", script.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("could not make {} executable", script.display()))
    }

    #[cfg(not(unix))]
    pub(super) fn script(&self, _: &str, _: &str) -> Result<()> {
        bail!("images are made on Linux")
    }

    /// Makes it an image; each change is an instruction of a Dockerfile.
    pub(super) fn import(&self, name: &str, changes: &[&str]) -> Result<()> {
        let mut pack = Command::new("tar");
        pack.args(["--create", "--numeric-owner", "--owner=0", "--group=0", "--directory"]).arg(&self.folder).arg(".");
        let mut packing = pack.stdout(Stdio::piped()).spawn().context("could not start `tar`")?;
        let mut import = Command::new("docker");
        import.arg("import");
        for change in changes {
            import.arg("--change").arg(change);
        }
        import.arg("-").arg(name);
        let packed = packing.stdout.take().context("the output of `tar` is piped")?;
        let imported = import.stdin(packed).stdout(Stdio::null()).status();
        let status = packing.wait().context("could not wait for `tar`")?;
        let imported = imported.context("could not start `docker import`")?;
        if !imported.success() || !status.success() {
            bail!("could not make the image {name}: `tar` ended with {status}, `docker import` with {imported}");
        }
        Ok(())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Paths in what `ldd` prints: `libc.so.6 => /lib/libc.so.6 (0x…)`, or the loader's own line `/lib64/ld… (0x…)`.
fn libraries_in(printed: &str) -> Result<BTreeSet<String>> {
    let mut libraries = BTreeSet::new();
    for line in printed.lines().map(str::trim) {
        if line.ends_with("=> not found") {
            bail!("a library is missing on this machine: {line}");
        }
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        let path = path.split(" (").next().unwrap_or_default();
        if path.starts_with('/') {
            libraries.insert(path.to_owned());
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_in_what_ldd_prints() {
        let printed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found: Vec<_> = libraries_in(printed).unwrap().into_iter().collect();
        assert_eq!(found, ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert!(libraries_in("\tstatically linked\n").unwrap().is_empty());
        assert!(libraries_in("\tlibz.so.1 => not found\n").unwrap_err().to_string().contains("libz.so.1"));
    }
}
