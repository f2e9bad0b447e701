//! `sdkit`: service discovery on the command line. It shows and changes what any registry holds, and serves one.

mod admin;
mod duration;
mod generated;
mod get;
mod hint;
mod instances;
mod ls;
mod output;
mod ping;
mod program;
#[cfg(unix)]
mod register;
mod registry;
mod resolve;
mod serve;
mod table;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Service discovery on the command line
///
/// Shows and changes what a registry holds: etcd, Consul, ZooKeeper, our own centre, files. The registry is a URL, given
/// with --registry or in $SD_REGISTRY.
#[derive(Parser)]
#[command(name = "sdkit", version, after_long_help = program::EXIT_CODES)]
struct Sdkit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ls(ls::Ls),
    Get(get::Get),
    Watch(watch::Watch),
    Resolve(resolve::Resolve),
    #[cfg(unix)]
    Register(Box<register::Register>),
    Drain(admin::Drain),
    Deregister(admin::Deregister),
    Ping(ping::Ping),
    Serve(Box<serve::Serve>),
    Completions(generated::Completions),
    Man(generated::Man),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Sdkit { command } = Sdkit::parse();
    program::start_logging(command.log_level());
    program::exit_code(match command {
        Command::Ls(ls) => ls.run().await,
        Command::Get(get) => get.run().await,
        Command::Watch(watch) => watch.run().await,
        Command::Resolve(resolve) => resolve.run().await,
        #[cfg(unix)]
        Command::Register(register) => return program::exit_code_of(register.run().await),
        Command::Drain(drain) => drain.run().await,
        Command::Deregister(deregister) => deregister.run().await,
        Command::Ping(ping) => ping.run().await,
        Command::Completions(completions) => completions.run(Sdkit::command()),
        Command::Man(man) => man.run(Sdkit::command()),
        Command::Serve(serve) => return program::exit_code_of_serve(serve.run().await),
    })
}

impl Command {
    /// What asks once says by itself what went wrong; what stays speaks of what happens meanwhile.
    fn log_level(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            _ => "off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Sdkit::command().debug_assert();
    }
}
