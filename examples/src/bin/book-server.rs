//! The book service as a program of its own: registers what it listens on, and goes without a call being lost.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sd_core::{Instance, Registration, defaults};
use sd_examples::book::{Books, SERVICE};
use sd_examples::program::{self, Outcome};
use sd_examples::{advertise, registry, shutdown};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// How long running requests may take to finish once nobody sends new ones.
const FINISH: Duration = Duration::from_secs(20);

/// Serves books, and registers itself so that book-client finds it.
#[derive(Parser)]
struct Args {
    /// The registry, as etcd://127.0.0.1:2379
    #[arg(long, value_name = "URL")]
    registry: String,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to register instead of the address listened on, as behind NAT or in a container: host:port, or a host
    #[arg(long, value_name = "ADDRESS", env = "SD_ADVERTISE")]
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
    program::start_logging();
    program::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Outcome {
    let registry = registry::connect_shared(&args.registry)?;
    let mut stop = shutdown::requested()?;

    // Only a listener knows which port it really got.
    let listener =
        TcpListener::bind(args.listen).await.map_err(|error| format!("listen on {}: {error}", args.listen))?;
    let listening = listener.local_addr()?;
    let address = advertise::address(args.advertise.as_deref(), listening, &args.registry).await?;

    let books = Books::new().working_for(Duration::from_millis(args.work)).into_service();
    let (finish, finishing) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(async {
        let asked = async { drop(finishing.await) };
        Server::builder().add_service(books).serve_with_incoming_shutdown(TcpIncoming::from(listener), asked).await
    });
    println!("listening on {listening}");

    // Waits for the registry for as long as that takes; a server may start before it.
    let registration = tokio::select! {
        registration = registry.register(Registration::new(SERVICE, Instance::new(address))) => registration?,
        () = &mut stop => return Ok(()),
    };
    println!("registered as {SERVICE}/{}", registration.id());

    tokio::select! {
        () = &mut stop => {}
        ended = &mut serving => {
            ended??;
            return Err("the server has ended by itself".into());
        }
    }

    // First the clients stop sending, then the registration goes, then this server: no call meets a closed door.
    let drain = args.drain.unwrap_or(defaults::DRAIN);
    println!("draining for {drain:?}");
    match timeout(drain + defaults::DEREGISTER_TIMEOUT, registration.drain(drain)).await {
        Ok(Ok(())) => println!("deregistered"),
        Ok(Err(error)) => eprintln!("not deregistered, gone after its TTL: {error}"),
        Err(_) => eprintln!("not deregistered, gone after its TTL: the registry does not answer"),
    }
    drop(finish);
    timeout(FINISH, serving).await.map_err(|_| format!("requests were still running after {FINISH:?}"))???;
    println!("stopped");
    Ok(())
}
