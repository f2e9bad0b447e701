//! `sdkit`: service discovery on the command line. Today it serves: a registry centre as a program.

mod duration;
mod program;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Service discovery on the command line
#[derive(Parser)]
#[command(name = "sdkit", version)]
struct Sdkit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Sdkit { command } = Sdkit::parse();
    program::start_logging();
    program::exit_code(match command {
        Command::Serve(serve) => serve.run().await,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Sdkit::command().debug_assert();
    }
}
