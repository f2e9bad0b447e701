//! `cargo xtask test`: every test of the workspace, with real servers, none skipped.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::TestOptions;
use crate::skips::{self, Skips};
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{etcd, loom, needs, process, protoc};

/// Fails tests whose server is missing.
const REQUIRE_VARIABLE: &str = "SD_TEST_REQUIRE";

/// What a program of ours that was told nothing must not find in its environment.
const OURS: [&str; 5] = ["SD_ETCD", etcd::FOR_TESTS, REQUIRE_VARIABLE, skips::LOG_VARIABLE, protoc::VARIABLE];

/// Its tests need a server, and must pass, saying so, where there is none.
const BACKENDS: [&str; 1] = ["sd-etcd"];

const BOOK: (&str, &str) = ("sd-examples", "book");
const BOOK_LIMIT: Duration = Duration::from_secs(120);

/// Runs what the options ask for.
pub(crate) fn run(workspace: &Workspace, options: &TestOptions) -> Result<()> {
    steps(workspace, options)?.finish("xtask test")
}

/// As `run`, for a caller with further steps.
pub(crate) fn steps(workspace: &Workspace, options: &TestOptions) -> Result<Steps> {
    let surroundings = Surroundings::find(workspace)?;
    let mut steps = Steps::default();
    if let Some(filter) = &options.only {
        steps.run(format!("tests with `{filter}` in their name"), || surroundings.tests(Some(filter)));
        return Ok(steps);
    }
    steps.run("tests, with servers", || surroundings.tests(None));
    steps.run("doctests", || surroundings.doctests());
    steps.run("tests of the default members, told of no server", || {
        process::run(told_nothing(workspace).args(["test", "--no-fail-fast"]))
    });
    for backend in BACKENDS.iter().filter(|name| workspace.package(name).is_some()) {
        steps.run(format!("tests of {backend}, told of no server"), || surroundings.backend_alone(backend));
    }
    if workspace.package(BOOK.0).is_some_and(|examples| examples.has_binary(BOOK.1)) {
        steps.run("the book example", || run_book(workspace));
    } else {
        eprintln!("\n=== the book example: there is none yet");
    }
    loom::add_steps(workspace, &mut steps)?;
    Ok(steps)
}

/// What tests need around them.
struct Surroundings<'a> {
    workspace: &'a Workspace,
    etcd: std::path::PathBuf,
    protoc: std::ffi::OsString,
}

impl<'a> Surroundings<'a> {
    fn find(workspace: &'a Workspace) -> Result<Self> {
        Ok(Self { workspace, etcd: etcd::find(workspace)?, protoc: protoc::find()? })
    }

    fn cargo(&self, skips: &Skips) -> Command {
        let mut cargo = told_nothing(self.workspace);
        cargo.env(protoc::VARIABLE, &self.protoc);
        cargo.env(etcd::FOR_TESTS, &self.etcd);
        cargo.env(REQUIRE_VARIABLE, "1");
        cargo.env(skips::LOG_VARIABLE, &skips.log);
        cargo
    }

    fn tests(&self, filter: Option<&str>) -> Result<()> {
        let mut skips = Skips::watch(self.workspace)?;
        let ran = if process::works(process::cargo(&self.workspace.root).args(["nextest", "--version"])) {
            self.with_nextest(filter, &mut skips)
        } else {
            self.with_libtest(filter, &mut skips)
        };
        skips.judge(ran)
    }

    fn with_nextest(&self, filter: Option<&str>, skips: &mut Skips) -> Result<()> {
        const PROFILE: &str = "xtask";
        let mut cargo = self.cargo(skips);
        let config = self.workspace.root.join("xtask").join("nextest.toml");
        cargo
            .args(["nextest", "run", "--profile", PROFILE, "--tool-config-file"])
            .arg(format!("xtask:{}", config.display()));
        cargo.args(["--workspace", "--all-features", "--exclude", needs::BENCH]).args(filter);
        let report = self.workspace.root.join("target").join("nextest").join(PROFILE).join("junit.xml");
        if report.exists() {
            fs::remove_file(&report).with_context(|| format!("could not remove {}", report.display()))?;
        }
        let ran = process::run(&mut cargo);
        match fs::read_to_string(&report) {
            Ok(text) => text.lines().for_each(|line| skips.inspect(line)),
            // Nothing was run then, and that is the error.
            Err(_) if ran.is_err() => {}
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", report.display()));
            }
        }
        ran
    }

    fn with_libtest(&self, filter: Option<&str>, skips: &mut Skips) -> Result<()> {
        let mut cargo = self.cargo(skips);
        cargo.args([
            "test",
            "--no-fail-fast",
            "--workspace",
            "--all-features",
            "--exclude",
            needs::BENCH,
            "--all-targets",
        ]);
        cargo.args(filter).args(["--", "--nocapture"]);
        process::run_inspected(&mut cargo, |line| skips.inspect(line))
    }

    fn doctests(&self) -> Result<()> {
        let mut skips = Skips::watch(self.workspace)?;
        let mut cargo = self.cargo(&skips);
        cargo.args(["test", "--doc", "--workspace", "--all-features", "--exclude", needs::BENCH]);
        let ran = process::run_inspected(&mut cargo, |line| skips.inspect(line));
        skips.judge(ran)
    }

    fn backend_alone(&self, backend: &str) -> Result<()> {
        let mut cargo = told_nothing(self.workspace);
        cargo.env(protoc::VARIABLE, &self.protoc).args(["test", "--no-fail-fast", "--tests", "-p", backend]);
        process::run(&mut cargo)
    }
}

/// The book must run for one who has just cloned, so it is told nothing either.
fn run_book(workspace: &Workspace) -> Result<()> {
    let (package, binary) = BOOK;
    let selected = ["-p", package, "--bin", binary];
    process::run(told_nothing(workspace).arg("build").args(selected))?;
    process::run_within(told_nothing(workspace).args(["run", "--quiet"]).args(selected), BOOK_LIMIT)
}

fn told_nothing(workspace: &Workspace) -> Command {
    let mut cargo = process::cargo(&workspace.root);
    for variable in OURS {
        cargo.env_remove(variable);
    }
    cargo
}
