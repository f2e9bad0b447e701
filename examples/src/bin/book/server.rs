//! A book server as a part: serves, registers, and says under which address.

use sd_core::{Instance, Registration, defaults};
use sd_examples::book::Books;
use sd_examples::program::Outcome;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::{Member, part};

/// Runs until it is told to end; deregisters then. (`book-server` is this as one would run it, with a `Lifecycle`.)
pub(crate) async fn run(member: &Member) -> Outcome {
    let mut told = part::told();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let books = Books::new().into_service();
    tokio::spawn(Server::builder().add_service(books).serve_with_incoming(TcpIncoming::from(listener)));

    let registry = member.registry.connect()?;
    let registering = registry.register(Registration::new(&member.service, Instance::new(address)));
    let registration = tokio::select! {
        registration = registering => registration?,
        _ = told.recv() => return Ok(()),
    };
    part::say(address)?;
    told.recv().await;
    // A registry that is gone has nothing to take back.
    drop(timeout(defaults::DEREGISTER_TIMEOUT, registration.deregister()).await);
    Ok(())
}
