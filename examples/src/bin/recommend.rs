//! A library that knows no registry, wired to two: it looks in one and registers in another.

use std::process::ExitCode;

use clap::Parser;
use sd_core::Address;
use sd_examples::program::{self, Outcome};
use sd_recommendations::{Recommendations, open};

/// Prints where books are to be had, as one registry tells it, and is registered in another: a migration, say.
#[derive(Parser)]
struct Args {
    /// Where to look for books: file:///path/services.yaml, static://127.0.0.1:50052, etcd://127.0.0.1:2379, …
    #[arg(long, value_name = "URL")]
    discover: String,
    /// Where to register meanwhile
    #[arg(long, value_name = "URL", default_value = "memory://")]
    register: String,
    /// What to register; nothing needs to listen there
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8000")]
    address: Address,
    /// Which zone is near
    #[arg(long, value_name = "ZONE", default_value = "eu-1")]
    zone: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let (discover, register) = (sd_kit::connect(&args.discover)?, sd_kit::connect(&args.register)?);
    let open = open(&*register, args.address).await?;
    println!("registered {}/{}", open.service(), open.id());
    println!("{}", Recommendations::new(&*discover)?.page(&args.zone).await);
    open.deregister().await?;
    Ok(())
}
