//! The browser that the page of the registry centre is tested in.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::tool::{Source, Tool};

/// A Chromium without windows: 170 MB to fetch with all that it stands on, and 500 MB unpacked.
pub(crate) const BROWSER: Tool<'static> = Tool {
    name: "chromium",
    chosen_by: Some("SD_CHROMIUM"),
    on_path: Some("chromium"),
    entry: "chromium",
    version: &version,
    sources: &[
        // Of the machine's own suite alone: its libraries stand on the machine's C library.
        Source::PackagesWithAll { names: &["chromium-headless-shell", "fonts-dejavu-core"], arrange: make_it_start_here },
    ],
    what_to_install: "\
install Chromium, 124 or newer, so that `chromium` is on PATH (Debian: package `chromium`; elsewhere: its own package, or
Google's Chrome), or set SD_CHROMIUM to the path of the program",
};

/// Starts it with the libraries and fonts that were unpacked with it, wherever the tree stands.
const START: &str = r#"#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH=LIBRARIES
export LD_LIBRARY_PATH
FONTCONFIG_FILE=$here/fonts.conf
export FONTCONFIG_FILE
XDG_CACHE_HOME=$here/cache
export XDG_CACHE_HOME
exec "$here/usr/lib/chromium/chromium-headless-shell" "$@"
"#;

const FONTS: &str = r#"<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"#;

fn make_it_start_here(tree: &Path) -> Result<()> {
    let folders = library_folders(tree)?;
    let libraries: Vec<_> = folders.iter().map(|folder| format!("$here/{folder}")).collect();
    write(&tree.join("fonts.conf"), FONTS)?;
    let start = tree.join("chromium");
    write(&start, &START.replace("LIBRARIES", &format!("\"{}\"", libraries.join(":"))))?;
    make_executable(&start)?;
    for unused in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let folder = tree.join(unused);
        if folder.is_dir() {
            fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
        }
    }
    Ok(())
}

/// Debian's folders of libraries bear the architecture's name; PulseAudio's has one of its own within.
fn library_folders(tree: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for above in ["usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(tree.join(above)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if name.to_string_lossy().contains("-linux-gnu") && entry.path().is_dir() {
                let folder = format!("{above}/{}", name.to_string_lossy());
                found.push(format!("{folder}/pulseaudio"));
                found.push(folder);
            }
        }
    }
    if found.is_empty() {
        bail!("no library was unpacked into {}", tree.display());
    }
    Ok(found)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, mode).with_context(|| format!("could not make {} executable", path.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    bail!("packages are unpacked on Unix only")
}

/// Has it show an empty page: some tell their version, and can't do that.
fn version(binary: &Path) -> Result<String> {
    let answer = process::capture(Command::new(binary).arg("--version"))?;
    let version = answer.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let Some(version) = version.filter(|_| answer.contains("Chrom")) else {
        bail!("`{} --version` names no Chromium version", binary.display())
    };
    let profile = std::env::temp_dir().join(format!("xtask-chromium-{}", std::process::id()));
    let mut own = OsStr::new("--user-data-dir=").to_owned();
    own.push(&profile);
    let mut show = Command::new(binary);
    // Its sandbox asks for what containers do not give; nothing but this empty page is shown.
    show.args(["--headless", "--no-sandbox", "--dump-dom"]).arg(own).arg("about:blank");
    let shown = process::capture(&mut show);
    if profile.exists() {
        fs::remove_dir_all(&profile).with_context(|| format!("could not remove {}", profile.display()))?;
    }
    if !shown?.contains("<body>") {
        bail!("{} shows no page", binary.display());
    }
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_chromium_is_refused() {
        let error = version(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.contains("names no Chromium version"), "{error}");
    }

    #[test]
    fn it_is_started_with_its_own_libraries() {
        let tree = std::env::temp_dir().join(format!("xtask-browser-{}", std::process::id()));
        for folder in ["usr/lib/x86_64-linux-gnu", "usr/lib/chromium", "lib/x86_64-linux-gnu", "usr/share/doc/x"] {
            fs::create_dir_all(tree.join(folder)).unwrap();
        }
        make_it_start_here(&tree).unwrap();
        let start = fs::read_to_string(tree.join("chromium")).unwrap();
        for folder in ["$here/usr/lib/x86_64-linux-gnu/pulseaudio:", "$here/lib/x86_64-linux-gnu\"\n"] {
            assert!(start.contains(folder), "{start}");
        }
        assert!(!start.contains("usr/lib/chromium:") && !tree.join("usr/share/doc").exists());
        fs::remove_dir_all(&tree).unwrap();
    }
}
