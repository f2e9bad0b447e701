//! The registry centre's HTTP API under schemathesis, from the OpenAPI document that it serves itself.
//!
//! Its requests are random, within what the document allows and beyond it. Whatever is not as the document says is an
//! error: a status, a body, a header; so is any 5xx, and any answer that takes longer than 10 s.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

/// The one whose checks are named below.
const VERSION: &str = "4.32.5";

/// Who fetches it.
const PYTHON: &str = "python3";

/// Schemathesis's own names of what is an error.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,unsupported_method,\
                      allow_header_conformance";

/// What is asked for in continuous integration, in seconds.
pub(crate) const USUAL: u32 = 30;

/// Beyond its own time: it loads the document, and says what it has found.
const LONGER: Duration = Duration::from_secs(60);

/// Why it can't be had here, if it can't.
pub(crate) fn what_is_missing() -> Option<&'static str> {
    let makes_environments = process::works(Command::new(PYTHON).args(["-c", "import venv, ensurepip"]));
    (!makes_environments).then_some("there is no `python3` with venv and pip")
}

/// Runs it for so many seconds against a centre of its own.
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<()> {
    let program = find_or_install(workspace)?;
    process::run(process::cargo(&workspace.root).args(["build", "--quiet", "-p", "sd-cli"]))?;
    let binary = format!("sdkit{}", std::env::consts::EXE_SUFFIX);
    let centre = Centre::start(&workspace.target.join("debug").join(binary))?;

    let mut schemathesis = Command::new(program);
    // It keeps notes in the folder that it runs in.
    schemathesis.current_dir(folder(workspace));
    schemathesis.arg("run").arg(format!("{}v1/openapi.json", centre.url));
    // Streams of events never end.
    schemathesis.args(["--exclude-path-regex", "^/v1/watch", "--phases", "examples,coverage,fuzzing"]);
    schemathesis.args(["--checks", CHECKS, "--request-timeout", "10", "--max-time", &seconds.to_string()]);
    schemathesis.args(["--no-color", "--generation-database", "none"]);
    process::run_within(&mut schemathesis, Duration::from_secs(seconds.into()) + LONGER)
}

/// Where it is kept.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("schemathesis")
}

fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = folder(workspace);
    let program = folder.join("bin").join("schemathesis");
    let version = process::capture(Command::new(&program).arg("--version")).unwrap_or_default();
    if version.trim().ends_with(VERSION) {
        return Ok(program);
    }
    eprintln!("fetching schemathesis {VERSION} …");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    process::run(Command::new(PYTHON).args(["-m", "venv"]).arg(&folder))?;
    let wanted = format!("schemathesis=={VERSION}");
    process::run(Command::new(folder.join("bin").join("pip")).args(["install", "--quiet", &wanted]))?;
    Ok(program)
}

/// `sdkit serve`, killed when this is dropped.
struct Centre {
    process: Child,
    url: String,
}

impl Centre {
    fn start(sdkit: &Path) -> Result<Self> {
        let mut command = Command::new(sdkit);
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_remove("SD_STORE").env("RUST_LOG", "error");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let process = command.spawn().with_context(|| format!("could not start `{}`", process::shown(&command)))?;
        let mut centre = Self { process, url: String::new() };
        let said = centre.process.stdout.take().context("a process without output")?;
        let told = BufReader::new(said).lines().map_while(Result::ok);
        let page = |line: String| Some(line.strip_prefix("page:")?.trim().to_owned());
        centre.url = told.into_iter().find_map(page).context("the centre did not say where its page is")?;
        Ok(centre)
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        // An error says that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
