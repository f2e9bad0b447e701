//! The whole road once, each part a process of its own: two servers register, a client calls them in turn, one is
//! killed, and no call fails.
//!
//! The registry is a centre in this process, unless another one is named.

mod client;
mod part;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sd_core::RegistryUrl;
use sd_examples::program::{self, Outcome, RegistryArgs};
use sd_kit::StopSignal;
use sd_registry::{Centre, Registry};
use tokio::time::timeout;

use self::part::{Part, Parts};

const CALLS: usize = 8;

/// How long the registry may take until both servers are in it and seen.
const READY: Duration = Duration::from_secs(10);

/// Two book servers and a client: eight calls in turn, and one server killed in the middle.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    part: Option<PartArgs>,
    /// A registry that runs: etcd://127.0.0.1:2379, consul://127.0.0.1:8500, zookeeper://127.0.0.1:2181,
    /// sd://127.0.0.1:7070 [default: a registry centre in this program]
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// Go on afterwards, a call a second, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

/// What the further processes are, which this program starts itself.
#[derive(Subcommand)]
enum PartArgs {
    #[command(hide = true)]
    Server(Member),
    #[command(hide = true)]
    Client(Member),
}

#[derive(clap::Args)]
struct Member {
    #[command(flatten)]
    registry: RegistryArgs,
    #[arg(long)]
    service: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    match args.part {
        Some(PartArgs::Server(member)) => server::run(&member).await,
        Some(PartArgs::Client(member)) => client::run(&member).await,
        None => all(args.registry, args.stay).await,
    }
}

async fn all(registry: Option<String>, stay: bool) -> Outcome {
    let mut stop = StopSignal::listen()?;
    let (url, centre) = match registry {
        Some(url) => (url, None),
        None => {
            let centre = Registry::builder().spawn().await?;
            (centre.url(), Some(centre))
        }
    };
    // Bad input is refused here, before any process is started.
    drop(program::connect_shared(&url)?);
    // A parsed URL shows no password.
    println!("registry: {}", url.parse::<RegistryUrl>()?);
    if let Some(centre) = &centre {
        let hint = if stay { "" } else { "   (there is more time to look at it with --stay)" };
        println!("its page: {}/{hint}", centre.http_url());
    }

    let mut parts = Parts::of(&url);
    let outcome = tokio::select! {
        outcome = story(&mut parts, stay) => outcome,
        () = stop.requested() => Ok(()),
    };
    parts.end().await;
    if let Some(centre) = centre {
        Centre::shutdown(centre).await?;
    }
    outcome
}

async fn story(parts: &mut Parts, stay: bool) -> Outcome {
    let (one, two) = (parts.start("server")?, parts.start("server")?);
    let doomed = registered(parts.at(one)).await?;
    registered(parts.at(two)).await?;
    let client = parts.start("client")?;
    parts.at(client).until_done(READY).await.map_err(|error| format!("not both servers were seen: {error}"))?;

    parts.at(client).call(CALLS / 2).await?;
    println!("\n{doomed} is killed; its registration stays behind, as after a crash\n");
    parts.at(one).kill().await?;
    parts.at(client).call(CALLS - CALLS / 2).await?;
    println!("\nall {CALLS} calls were answered");
    if stay {
        println!("\nit goes on, a call a second, until Ctrl-C\n");
        loop {
            parts.at(client).call(1).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// Waits until a server stands in the registry; its address.
async fn registered(server: &mut Part) -> Outcome<String> {
    let said = timeout(READY, server.line()).await;
    let address = said.map_err(|_| format!("the registry did not take two registrations within {READY:?}"))??;
    println!("{address} is listening and registered, as process {}", server.pid());
    Ok(address)
}
