//! The book client as a part: makes a call whenever it is told to, and prints who answered.

use sd_core::Subscription;
use sd_examples::client::{self, BookEndpoint};
use sd_examples::program::Outcome;
use tonic::Status;

use crate::{Member, part};

/// Runs until it is told to end.
pub(crate) async fn run(member: &Member) -> Outcome {
    let mut told = part::told();
    let registry = member.registry.connect()?;
    let instances = registry.subscribe(&member.service.parse()?);
    let books = client::connect(instances.clone())?;
    tokio::select! {
        () = both_seen(instances) => part::done()?,
        _ = told.recv() => return Ok(()),
    }
    let mut call = 0;
    while told.recv().await.is_some() {
        call += 1;
        part::say(format_args!("call {call}"))?;
        part::say(books.run(1, |endpoint, id| async move { look_up(&endpoint, id).await }).await?)?;
        part::done()?;
    }
    Ok(())
}

/// One call: what one instance says of one book and of all.
async fn look_up(endpoint: &BookEndpoint, id: i32) -> Result<String, Status> {
    let address = endpoint.address();
    let answers = async { Ok((endpoint.info(id).await?, endpoint.list().await?)) };
    let (book, all) = answers.await.inspect_err(|status: &Status| {
        // What can't be printed has nobody who would read it.
        drop(part::say(format_args!("  {address} failed, trying another: {}", status.message())));
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
