//! Registers for watch-list to see, and after a while ends in one of two ways, at random: it closes, or it dies.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rand::RngExt as _;
use sd_core::{Address, Instance, Registration, RegistryUrl};
use sd_examples::program::{self, Outcome, RegistryArgs, connect_shared};
use sd_kit::StopSignal;

/// How long a registration outlives a program that has died.
const TTL: &str = "5s";

const EARLIEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(20);

/// Registers an instance and, after 5 to 20 s, either takes it back or just stops beating.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    registry: RegistryArgs,
    /// The service to register for
    #[arg(long, value_name = "NAME", default_value = "web")]
    service: String,
    /// The instance's name
    #[arg(long, value_name = "ID", default_value = "node2")]
    id: String,
    /// The address to register; nothing needs to listen there
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8000")]
    address: Address,
    /// Seconds until the end [default: 5 to 20, at random]
    #[arg(long, value_name = "SECONDS", value_parser = program::seconds)]
    after: Option<Duration>,
    /// How to end [default: at random]
    #[arg(long, value_enum)]
    end: Option<End>,
}

#[derive(Clone, Copy, ValueEnum)]
enum End {
    /// Deregister: gone at once
    Close,
    /// Stop beating: gone after the TTL of 5 s
    Die,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let registry = connect_shared(&with_ttl(&args.registry.url)?)?;
    let mut stop = StopSignal::listen()?;
    let instance = Instance::new(args.address).with_id(args.id);
    let registration = tokio::select! {
        registration = registry.register(Registration::new(args.service, instance)) => registration?,
        () = stop.requested() => return Ok(()),
    };
    println!("registered {}/{}", registration.service(), registration.id());

    let after = args.after.unwrap_or_else(|| rand::rng().random_range(EARLIEST..=LATEST));
    let end = args.end.unwrap_or_else(|| if rand::rng().random() { End::Close } else { End::Die });
    let end = tokio::select! {
        () = tokio::time::sleep(after) => end,
        () = stop.requested() => End::Close,
    };
    match end {
        End::Close => {
            println!("closing");
            registration.deregister().await?;
            println!("closed");
            Ok(())
        }
        End::Die => {
            println!("dying");
            // Nothing is dropped on this way out, so nothing is deregistered: the lease is left to run out, as after
            // a crash.
            std::process::exit(0);
        }
    }
}

/// The registry's URL with a TTL of 5 s, unless it says one.
fn with_ttl(url: &str) -> Result<String, sd_core::Error> {
    let option = match url.parse::<RegistryUrl>()?.scheme() {
        "zookeeper" => "session",
        "etcd" | "consul" => "ttl",
        // Nothing dies there.
        _ => return Ok(url.to_owned()),
    };
    let given = url.split_once('?').map_or("", |(_, options)| options);
    let says_one = given.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == option));
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(if says_one { url.to_owned() } else { format!("{url}{separator}{option}={TTL}") })
}
