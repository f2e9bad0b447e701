//! Registers for watch-list to see, and after a while ends in one of two ways, at random: it closes, or it dies.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rand::RngExt as _;
use sd_core::{Address, Instance, Registration};
use sd_examples::program::{self, Outcome};
use sd_examples::{registry, shutdown};

/// How long a registration outlives a program that has died.
const TTL: &str = "ttl=5s";

const EARLIEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(20);

/// Registers an instance and, after 5 to 20 s, either takes it back or just stops beating.
#[derive(Parser)]
struct Args {
    /// The registry, as etcd://127.0.0.1:2379
    #[arg(long, value_name = "URL")]
    registry: String,
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
    program::start_logging();
    program::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Outcome {
    let registry = registry::connect_shared(&with_ttl(&args.registry))?;
    let mut stop = shutdown::requested()?;
    let instance = Instance::new(args.address).with_id(args.id);
    let registration = tokio::select! {
        registration = registry.register(Registration::new(args.service, instance)) => registration?,
        () = &mut stop => return Ok(()),
    };
    println!("registered {}/{}", registration.service(), registration.id());

    let after = args.after.unwrap_or_else(|| rand::rng().random_range(EARLIEST..=LATEST));
    let end = args.end.unwrap_or_else(|| if rand::rng().random() { End::Close } else { End::Die });
    let end = tokio::select! {
        () = tokio::time::sleep(after) => end,
        () = &mut stop => End::Close,
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
fn with_ttl(url: &str) -> String {
    match url.split_once('?') {
        None => format!("{url}?{TTL}"),
        Some((_, options)) if options.split('&').any(|option| option.starts_with("ttl=")) => url.to_owned(),
        Some(_) => format!("{url}&{TTL}"),
    }
}
