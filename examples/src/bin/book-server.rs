//! The book service as a program of its own: registers what it listens on, and goes without a call being lost.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sd_core::defaults;
use sd_examples::book::{Books, SERVICE};
use sd_examples::program::{self, Outcome, RegistryArgs};
use sd_kit::Lifecycle;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Serves books, and registers itself so that book-client finds it.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    registry: RegistryArgs,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to register instead of the address listened on, as behind NAT or in a container: host:port, or a host
    /// [env: SD_ADVERTISE]
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// Seconds between telling clients that this server goes and going [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = program::seconds)]
    drain: Option<Duration>,
    /// Milliseconds that each answer takes, as if there were work to do
    #[arg(long, value_name = "MS", default_value_t = 0)]
    work: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let books = Books::new().working_for(Duration::from_millis(args.work)).into_service();
    let mut lifecycle = Lifecycle::new(SERVICE, args.registry.connect()?)
        .reaching(&args.registry.url)?
        .listen(args.listen)
        .drain(args.drain.unwrap_or(defaults::DRAIN))
        .on_event(|event| println!("{event}"));
    if let Some(address) = args.advertise {
        lifecycle = lifecycle.advertise(address);
    }
    lifecycle
        .run(async |listener, stopping| -> Outcome {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener)?);
            Ok(Server::builder().add_service(books).serve_with_incoming_shutdown(incoming, stopping).await?)
        })
        .await?;
    Ok(())
}
