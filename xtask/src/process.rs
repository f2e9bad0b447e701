//! Running other programs: errors name the command, and a failed one is told from one that could not start.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// `cargo`, as it would run from the shell that called `cargo xtask`.
pub(crate) fn cargo(root: &Path) -> Command {
    cargo_tool(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), root)
}

/// A program that itself calls cargo, with the same surroundings.
pub(crate) fn cargo_tool(program: impl AsRef<OsStr>, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root);
    // `cargo run` describes xtask in these; build scripts that watch them would be run again, and all above them.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_the_running_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_the_running_package(variable: &str) -> bool {
    const EXACT: [&str; 6] = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_MANIFEST_LINKS",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    EXACT.contains(&variable) || variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_BIN_")
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    // Cargo calls us with its full path, which tells nobody anything.
    let program = if program.ends_with("cargo") { "cargo".as_ref() } else { program.as_os_str() };
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Runs to the end, with its output on our own terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start `{}`", shown(command)))?;
    succeeded(command, status)
}

/// Runs to the end and keeps the output; an error carries what the command complained about.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = finish(command)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs quietly; whether it started and succeeded.
pub(crate) fn works(command: &mut Command) -> bool {
    finish(command).is_ok_and(|output| output.status.success())
}

fn finish(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{}`", shown(command)))
}

/// Runs to the end or to the limit; at the limit the process is killed and that is the error.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    const POLL: Duration = Duration::from_millis(50);
    let mut child = command.spawn().with_context(|| format!("could not start `{}`", shown(command)))?;
    let mut waited = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("could not wait for `{}`", shown(command)))? {
            return succeeded(command, status);
        }
        if waited >= limit {
            kill(command, &mut child)?;
            bail!("`{}` was still running after {} s, and was killed", shown(command), limit.as_secs());
        }
        thread::sleep(POLL);
        waited += POLL;
    }
}

fn kill(command: &Command, child: &mut Child) -> Result<()> {
    child.kill().with_context(|| format!("could not kill `{}`", shown(command)))?;
    child.wait().with_context(|| format!("could not wait for `{}`", shown(command)))?;
    Ok(())
}

/// Runs to the end, shows all output as it comes, and hands each line to `inspect` as well.
pub(crate) fn run_inspected(command: &mut Command, mut inspect: impl FnMut(&str) + Send) -> Result<()> {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("could not start `{}`", shown(command)))?;
    let stdout = child.stdout.take();
    if let Some(stdout) = stdout {
        forward(stdout, std::io::stdout(), &mut inspect)
            .with_context(|| format!("could not read the output of `{}`", shown(command)))?;
    }
    let status = child.wait().with_context(|| format!("could not wait for `{}`", shown(command)))?;
    succeeded(command, status)
}

fn forward(from: impl Read, mut to: impl Write, inspect: &mut impl FnMut(&str)) -> std::io::Result<()> {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        inspect(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    to.flush()
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// The first executable file of this name on PATH.
pub(crate) fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| is_executable(candidate))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_error_names_the_command_and_its_complaint() {
        let error = capture(&mut shell("echo no such luck >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("`sh -c") && error.contains("no such luck") && error.contains('3'), "{error}");
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(format!("{error:#}").contains("could not start `no-such-program-anywhere`"), "{error:#}");
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let error = run_within(&mut shell("exec sleep 60"), Duration::from_millis(100)).unwrap_err().to_string();
        assert!(error.contains("was killed"), "{error}");
    }

    #[test]
    fn every_line_is_inspected_also_the_last_without_a_newline() {
        let mut shown = Vec::new();
        let mut seen = Vec::new();
        forward(&b"one\ntwo\xff\nthree"[..], &mut shown, &mut |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two\u{fffd}", "three"]);
        assert_eq!(shown, b"one\ntwo\xff\nthree");
    }

    #[test]
    fn only_what_cargo_says_of_the_running_package_is_hidden() {
        assert!(describes_the_running_package("CARGO_PKG_NAME"));
        assert!(describes_the_running_package("CARGO_MANIFEST_DIR"));
        for kept in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "PATH"] {
            assert!(!describes_the_running_package(kept), "{kept}");
        }
    }
}
