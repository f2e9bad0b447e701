//! OpenSSL's headers and static libraries, which the build of Consul's client asks for.
//!
//! Where pkg-config knows an installed OpenSSL nothing is done. Else the distribution's development package is
//! unpacked, and linked statically: what is built then runs where no OpenSSL is installed. Where there is no such package
//! it is built, once, from the sources that come with the client's feature `vendored-openssl`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::Suite;
use crate::process;
use crate::tool::{Source, Tool};
use crate::workspace::Workspace;

/// By any of these the caller says to openssl-sys itself where it is, or that it is to be built from source.
const CHOSEN_BY_CALLER: [&str; 3] = ["OPENSSL_DIR", "OPENSSL_LIB_DIR", "OPENSSL_INCLUDE_DIR"];

/// Without it every build with all features would make OpenSSL from its sources, which takes minutes.
const DO_NOT_BUILD_IT: (&str, &str) = ("OPENSSL_NO_VENDOR", "1");

const DEVELOPMENT_FILES: Tool<'static> = Tool {
    name: "openssl",
    chosen_by: None,
    on_path: None,
    entry: "",
    version: &version,
    sources: &[
        Source::Packages { suite: Suite::Own, names: &["libssl-dev"], arrange: gather },
        // Newer ones' static libraries want others beside them.
        Source::Packages { suite: Suite::Debian("bookworm"), names: &["libssl-dev"], arrange: gather },
        Source::Build(build),
    ],
    what_to_install: "\
install OpenSSL's headers and pkg-config (Debian, Ubuntu: packages `libssl-dev` and `pkg-config`; Fedora:
`openssl-devel`; macOS: brew's `openssl`), or set OPENSSL_DIR to a folder that holds its `include` and `lib`",
};

/// What is to be set for a build to find it; nothing where it finds it by itself.
pub(crate) fn variables(workspace: &Workspace) -> Result<Vec<(&'static str, OsString)>> {
    let is_chosen = CHOSEN_BY_CALLER.iter().any(|name| std::env::var_os(name).is_some());
    let mut variables = vec![(DO_NOT_BUILD_IT.0, DO_NOT_BUILD_IT.1.into())];
    // Elsewhere openssl-sys knows where the usual package managers put it.
    if !is_chosen && cfg!(target_os = "linux") && !is_installed() {
        let found = DEVELOPMENT_FILES.find(workspace)?;
        variables.extend([("OPENSSL_DIR", found.path.into_os_string()), ("OPENSSL_STATIC", "1".into())]);
    }
    Ok(variables)
}

fn is_installed() -> bool {
    let pkg_config = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    process::works(Command::new(pkg_config).args(["--exists", "openssl"]))
}

/// Has the client's build script make it.
fn build(workspace: &Workspace, aside: &Path) -> Result<()> {
    let target = workspace.tools().join("build");
    let mut cargo = process::cargo(&workspace.root);
    cargo.args(["build", "--quiet", "-p", "sd-consul", "--lib", "--features", "vendored-openssl"]);
    cargo.env("CARGO_TARGET_DIR", &target).env_remove(DO_NOT_BUILD_IT.0);
    eprintln!("building OpenSSL …");
    process::capture(&mut cargo)?;
    let scripts = folders_in(&target.join("debug").join("build"))?;
    let mut installed = scripts.iter().map(|script| script.join("out/openssl-build/install"));
    let installed = installed.find(|folder| folder.is_dir()).context("the build script of openssl-sys left none")?;
    let tree = aside.join("tree");
    fs::create_dir_all(&tree).with_context(|| format!("could not create {}", tree.display()))?;
    for folder in ["include", "lib"] {
        process::capture(Command::new("cp").arg("-R").arg(installed.join(folder)).arg(&tree))?;
    }
    Ok(())
}

/// Brings headers and libraries, which Debian spreads over folders named after the architecture, into `include` and
/// `lib`: openssl-sys takes one of each.
fn gather(tree: &Path) -> Result<()> {
    let usr = tree.join("usr");
    let headers = tree.join("include").join("openssl");
    let libraries = tree.join("lib");
    for folder in [&headers, &libraries] {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    let include = usr.join("include");
    move_files(&include.join("openssl"), &headers, "h")?;
    for architecture in folders_in(&include)? {
        move_files(&architecture.join("openssl"), &headers, "h")?;
    }
    for architecture in folders_in(&usr.join("lib"))? {
        move_files(&architecture, &libraries, "a")?;
    }
    fs::remove_dir_all(&usr).with_context(|| format!("could not remove {}", usr.display()))
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect())
}

fn move_files(from: &Path, to: &Path, extension: &str) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let path = entry.with_context(|| format!("could not read {}", from.display()))?.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Some(name) = path.file_name()
        {
            fs::rename(&path, to.join(name)).with_context(|| format!("could not move {}", path.display()))?;
        }
    }
    Ok(())
}

/// Links a program against it and runs it: some distributions' static libraries can't do without others.
fn version(home: &Path) -> Result<String> {
    const PROGRAM: &str = r#"
#include <openssl/ssl.h>
#include <stdio.h>
int main(void) { SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    puts(OpenSSL_version(OPENSSL_VERSION)); return context == NULL; }
"#;
    let folder = std::env::temp_dir().join(format!("xtask-openssl-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let answer = link_and_run(home, &folder, PROGRAM);
    fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
    Ok(answer?.trim().to_owned())
}

fn link_and_run(home: &Path, folder: &Path, program: &str) -> Result<String> {
    let source = folder.join("probe.c");
    let binary = folder.join("probe");
    fs::write(&source, program).with_context(|| format!("could not write {}", source.display()))?;
    let mut compile = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compile.arg(&source).arg("-o").arg(&binary).arg("-I").arg(home.join("include"));
    compile.arg(home.join("lib/libssl.a")).arg(home.join("lib/libcrypto.a"));
    process::capture(&mut compile)?;
    process::capture(&mut Command::new(&binary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_libraries_of_every_folder_are_gathered() {
        let tree = std::env::temp_dir().join(format!("xtask-gather-{}", std::process::id()));
        let files = [
            ("usr/include/openssl/ssl.h", "include/openssl/ssl.h"),
            ("usr/include/x86_64-linux-gnu/openssl/configuration.h", "include/openssl/configuration.h"),
            ("usr/lib/x86_64-linux-gnu/libssl.a", "lib/libssl.a"),
            ("usr/lib/x86_64-linux-gnu/libcrypto.a", "lib/libcrypto.a"),
        ];
        for (unpacked, _) in files {
            let path = tree.join(unpacked);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        gather(&tree).unwrap();
        for (_, gathered) in files {
            assert!(tree.join(gathered).is_file(), "{gathered}");
        }
        assert!(!tree.join("usr").exists());
        fs::remove_dir_all(&tree).unwrap();
    }
}
