//! The same library, wired to one registry within the process: as in a test, or a program that is all in one.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use sd_core::{Address, Connection, Instance, MemoryRegistry, Registrar as _, Registration};
use sd_examples::program::{self, Outcome};
use sd_recommendations::{BOOKS, Recommendations, open};

/// Registers two book services in memory, and prints where books are to be had. Takes no options.
#[derive(Parser)]
struct Args {}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(_: Args) -> Outcome {
    // Without any URL: whoever needs one kind of registry only can do without the facade.
    let registry = Connection::builder(Arc::new(MemoryRegistry::new())).build()?;
    let book = |port: u16, zone: &str| {
        let address = format!("localhost:{port}").parse::<Address>();
        address.map(|address| Registration::new(BOOKS, Instance::new(address).with_zone(zone)))
    };
    let (_far, _near) =
        (registry.register(book(50052, "us-1")?).await?, registry.register(book(50053, "eu-1")?).await?);

    let open = open(&registry, "localhost:8000".parse()?).await?;
    println!("registered {}/{}", open.service(), open.id());
    println!("{}", Recommendations::new(&registry)?.page("eu-1").await);
    Ok(())
}
