//! All in one: two servers register, a client calls them in turn, one is stopped hard, and no call fails.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Parser;
use sd_core::{Instance, Registration, RegistryUrl, Subscription};
use sd_examples::book::Books;
use sd_examples::client::{self, BookEndpoint};
use sd_examples::program::{self, Outcome};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

const CALLS: u32 = 8;

/// How long the registry may take until both servers are in it and seen.
const READY: Duration = Duration::from_secs(10);

/// Two book servers and a client: eight calls in turn, and one server stopped hard in the middle.
#[derive(Parser)]
struct Args {
    /// The registry: memory://, which is in this program, or one that runs, as etcd://127.0.0.1:2379,
    /// consul://127.0.0.1:8500 or zookeeper://127.0.0.1:2181
    #[arg(long, value_name = "URL", default_value = "memory://")]
    registry: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    // A name of its own, so that two of these programs in one registry don't call each other's servers.
    let service = format!("book-{}", std::process::id());
    let registry = sd_kit::connect(&args.registry)?;
    // A parsed URL shows no password.
    println!("registry: {}", args.registry.parse::<RegistryUrl>()?);

    let servers = timeout(READY, async {
        Outcome::Ok((
            BookServer::start(&args.registry, &service).await?,
            BookServer::start(&args.registry, &service).await?,
        ))
    });
    let (one, two) =
        servers.await.map_err(|_| format!("the registry did not take two registrations within {READY:?}"))??;

    let instances = registry.subscribe(&service.parse()?);
    timeout(READY, both_seen(instances.clone())).await.map_err(|_| format!("not both were seen within {READY:?}"))?;
    let books = client::connect(instances)?;

    let mut doomed = Some(one);
    for call in 1..=CALLS {
        if call > CALLS / 2
            && let Some(server) = doomed.take()
        {
            println!("\n{} is stopped hard; its registration stays behind, as after a crash\n", server.address);
            server.stop(Stop::Hard)?;
        }
        println!("call {call}");
        println!("{}", books.run(1, |endpoint, id| async move { look_up(&endpoint, id).await }).await?);
    }

    two.stop(Stop::Orderly)?;
    println!("\nall {CALLS} calls were answered");
    Ok(())
}

/// One call: what one instance says of one book and of all.
async fn look_up(endpoint: &BookEndpoint, id: i32) -> Result<String, Status> {
    let address = endpoint.address();
    let answers = async { Ok((endpoint.info(id).await?, endpoint.list().await?)) };
    let (book, all) = answers.await.inspect_err(|status: &Status| {
        println!("  {address} failed, trying another: {}", status.message());
    })?;
    let all = all.into_iter().map(|book| book.book_name).collect::<Vec<_>>().join(", ");
    Ok(format!("  served by {address}\n  book {id}: {}; all: {all}", book.book_name))
}

async fn both_seen(mut instances: Subscription) {
    while let Some(snapshot) = instances.changed().await {
        if snapshot.len() == 2 {
            return;
        }
    }
}

/// A server with a runtime of its own: when that ends, all of it ends at once, as with a process that is killed.
struct BookServer {
    address: SocketAddr,
    stop: oneshot::Sender<Stop>,
    thread: JoinHandle<Outcome>,
}

enum Stop {
    /// Connections break, and nobody is told.
    Hard,
    /// It is deregistered first.
    Orderly,
}

impl BookServer {
    async fn start(registry: &str, service: &str) -> Outcome<Self> {
        let (registry, service) = (registry.to_owned(), service.to_owned());
        let (stop, stopped) = oneshot::channel();
        let (tell, ready) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve(&registry, &service, tell, stopped))
        });
        let address = match ready.await {
            Ok(address) => address,
            Err(_) => {
                thread.join().map_err(|_| "a server has panicked")??;
                return Err("a server has ended".into());
            }
        };
        println!("{address} is listening and registered");
        Ok(Self { address, stop, thread })
    }

    fn stop(self, how: Stop) -> Outcome {
        // An error says that it has ended already; how, its thread tells.
        drop(self.stop.send(how));
        self.thread.join().map_err(|_| "a server has panicked")?
    }
}

async fn serve(
    registry: &str,
    service: &str,
    ready: oneshot::Sender<SocketAddr>,
    stopped: oneshot::Receiver<Stop>,
) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let books = Books::new().into_service();
    tokio::spawn(Server::builder().add_service(books).serve_with_incoming(TcpIncoming::from(listener)));

    let registry = sd_kit::connect(registry)?;
    let registration = registry.register(Registration::new(service, Instance::new(address))).await?;
    // An error says that the program has given up waiting, and is about to end.
    let _ = ready.send(address);

    if let Ok(Stop::Orderly) = stopped.await {
        registration.deregister().await?;
    }
    Ok(())
}
