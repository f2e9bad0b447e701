//! `cargo xtask test`: every test of the workspace, with real servers, none skipped.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::TestOptions;
use crate::compose::suites::{self, Containers};
use crate::native::Native;
use crate::servers::Servers;
use crate::skips::{self, Skips};
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{loom, needs, process, protoc, servers};

/// Fails tests whose server is missing.
const REQUIRE_VARIABLE: &str = "SD_TEST_REQUIRE";

/// What a program of ours that was told nothing must not find in its environment: also what its user has set for
/// programs of theirs.
const OURS: [&str; 7] = [
    REQUIRE_VARIABLE,
    skips::LOG_VARIABLE,
    suites::FOR_TESTS,
    protoc::VARIABLE,
    "SD_REGISTRY",
    "SD_ADVERTISE",
    "SD_STORE",
];

/// Its tests need a server, and must pass, saying so, where there is none.
const BACKENDS: [&str; 3] = ["sd-etcd", "sd-consul", "sd-zookeeper"];

/// A default member whose tests bring their servers along, and take ten minutes: once is enough.
const OWN_SERVERS: &str = "sd-registry";

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
    let only = options.only.as_deref();
    if options.compose {
        steps.run("suites, against containers", || {
            let containers = Containers::bring_up(workspace)?;
            surroundings.tests(&Selection { only, containers: Some(&containers) })
        });
        return Ok(steps);
    }
    let selection = Selection { only, containers: None };
    if let Some(filter) = only {
        steps.run(format!("tests with `{filter}` in their name"), || surroundings.tests(&selection));
        return Ok(steps);
    }
    steps.run("tests, with servers", || surroundings.tests(&selection));
    steps.run("doctests", || surroundings.doctests());
    steps.run("tests of the default members, told of no server", || {
        let packages = workspace.packages.iter().filter(|package| package.is_default && package.name != OWN_SERVERS);
        let selected = packages.flat_map(|package| ["-p", &package.name]);
        process::run(told_nothing(workspace).args(["test", "--no-fail-fast"]).args(selected))
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

/// Which tests are to run.
struct Selection<'a> {
    /// Those whose name contains this.
    only: Option<&'a str>,
    /// The suites alone, one test at a time, against these.
    containers: Option<&'a Containers>,
}

impl Selection<'_> {
    fn tell(&self, command: &mut Command) {
        if let Some(containers) = self.containers {
            containers.tell(command);
        }
    }
}

/// What tests need around them.
struct Surroundings<'a> {
    workspace: &'a Workspace,
    native: Native,
    servers: Servers,
}

impl<'a> Surroundings<'a> {
    fn find(workspace: &'a Workspace) -> Result<Self> {
        Ok(Self { workspace, native: Native::find(workspace)?, servers: Servers::find(workspace)? })
    }

    fn cargo(&self, skips: &Skips) -> Command {
        let mut cargo = told_nothing(self.workspace);
        self.native.tell(&mut cargo);
        self.servers.tell(&mut cargo);
        cargo.env(REQUIRE_VARIABLE, "1");
        cargo.env(skips::LOG_VARIABLE, &skips.log);
        cargo
    }

    fn tests(&self, selection: &Selection<'_>) -> Result<()> {
        let mut skips = Skips::watch(self.workspace)?;
        let ran = if process::works(process::cargo(&self.workspace.root).args(["nextest", "--version"])) {
            self.with_nextest(selection, &mut skips)
        } else {
            self.with_libtest(selection, &mut skips)
        };
        skips.judge(ran)
    }

    fn with_nextest(&self, selection: &Selection<'_>, skips: &mut Skips) -> Result<()> {
        const PROFILE: &str = "xtask";
        let mut cargo = self.cargo(skips);
        let config = self.workspace.root.join("xtask").join("nextest.toml");
        cargo
            .args(["nextest", "run", "--profile", PROFILE, "--tool-config-file"])
            .arg(format!("xtask:{}", config.display()));
        cargo.args(["--workspace", "--all-features", "--exclude", needs::BENCH]).args(selection.only);
        selection.tell(&mut cargo);
        if selection.containers.is_some() {
            cargo.args(["--test-threads=1", "--filterset", suites::FILTER]);
        }
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

    fn with_libtest(&self, selection: &Selection<'_>, skips: &mut Skips) -> Result<()> {
        let mut cargo = self.cargo(skips);
        selection.tell(&mut cargo);
        cargo.args(["test", "--no-fail-fast", "--all-features"]);
        if selection.containers.is_some() {
            cargo.args(suites::PACKAGES.into_iter().flat_map(|package| ["-p", package]));
            cargo.args(suites::BINARIES.into_iter().flat_map(|binary| ["--test", binary]));
            cargo.args(selection.only).args(["--", "--nocapture", "--test-threads=1"]);
        } else {
            cargo.args(["--workspace", "--exclude", needs::BENCH, "--all-targets"]);
            cargo.args(selection.only).args(["--", "--nocapture"]);
        }
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
        self.native.tell(&mut cargo);
        process::run(cargo.args(["test", "--no-fail-fast", "--tests", "-p", backend]))
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
    for variable in OURS.into_iter().chain(servers::VARIABLES) {
        cargo.env_remove(variable);
    }
    cargo
}
