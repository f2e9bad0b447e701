//! The project's own tasks: bring up what the tests need, run every check, measure.
//!
//! `cargo xtask help` lists them. Nothing here needs root or changes the system: what is fetched lies in
//! `target/tools` and goes with `target`.

mod bench;
mod ci;
mod cli;
mod compose;
mod deny;
mod docker;
mod images;
mod lint;
mod loom;
mod native;
mod needs;
mod openssl;
mod packages;
mod process;
mod protoc;
mod schemathesis;
mod servers;
mod skips;
mod steps;
mod test;
mod tool;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Task;
use crate::native::Native;
use crate::servers::Servers;
use crate::steps::Steps;
use crate::workspace::Workspace;

const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let task = match cli::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("xtask: {error:#}\n\n{}", cli::HELP);
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Help => {
            println!("{}", cli::HELP);
            Ok(())
        }
        Task::Test(options) => test::run(&Workspace::load()?, &options),
        Task::Ci => ci::run(&Workspace::load()?),
        Task::Bench(arguments) => bench::run(&Workspace::load()?, &arguments),
        Task::Etcd => {
            let workspace = Workspace::load()?;
            Native::find(&workspace)?.print_exports()?;
            Servers::find_etcd(&workspace)?.print_exports()
        }
        Task::Schemathesis(seconds) => schemathesis::run(&Workspace::load()?, seconds),
        Task::Images => images::make_and_print_exports(&Workspace::load()?),
        Task::Compose => {
            let workspace = Workspace::load()?;
            let mut steps = Steps::default();
            compose::checks::add_steps(&workspace, &Native::find(&workspace)?, &mut steps);
            steps.finish("xtask compose")
        }
        Task::Servers => {
            let workspace = Workspace::load()?;
            Native::find(&workspace)?.print_exports()?;
            Servers::find(&workspace)?.print_exports()
        }
    }
}
