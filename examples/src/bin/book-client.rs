//! Calls the book service's instances in turn, and prints which one served each call.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sd_examples::book::SERVICE;
use sd_examples::client::{self, BookEndpoint};
use sd_examples::program::{self, Outcome, RegistryArgs};
use tonic::Status;

/// Calls the book service's instances in turn, and prints which one served each call.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    registry: RegistryArgs,
    /// How many calls to make
    #[arg(long, value_name = "N", default_value_t = 8)]
    calls: u32,
    /// The book to ask for
    #[arg(long, value_name = "ID", default_value_t = 1)]
    book: i32,
    /// Milliseconds from one call to the next
    #[arg(long, value_name = "MS", default_value_t = 0)]
    every: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let registry = args.registry.connect()?;
    let books = client::connect(registry.subscribe(&SERVICE.parse()?))?;

    for _ in 0..args.calls {
        // One call is one pick: both requests go to the same instance.
        books.run(args.book, |endpoint, id| async move { show(&endpoint, id).await }).await?;
        tokio::time::sleep(Duration::from_millis(args.every)).await;
    }
    Ok(())
}

/// Prints what one instance answers, as the article does.
async fn show(endpoint: &BookEndpoint, id: i32) -> Result<(), Status> {
    println!("请求服务: {}", endpoint.address());
    ask(endpoint, id).await.inspect_err(|status| println!("请求失败: {}", status.message()))
}

async fn ask(endpoint: &BookEndpoint, id: i32) -> Result<(), Status> {
    let book = endpoint.info(id).await?;
    println!("获取书籍详情");
    println!("bookId: {} => bookName: {}", book.book_id, book.book_name);
    let list = endpoint.list().await?;
    println!("获取书籍列表");
    for book in list {
        println!("bookId: {} => bookName: {}", book.book_id, book.book_name);
    }
    Ok(())
}
