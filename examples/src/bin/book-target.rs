//! Article 003: a generated client that follows the registry behind a target URI.

use std::process::ExitCode;

use clap::Parser;
use sd_examples::book::BookInfoParams;
use sd_examples::book::book_service_client::BookServiceClient;
use sd_examples::program::{self, Outcome};
use sd_tonic::{ServiceConfig, Targets};

/// Calls the book service that a target URI names.
#[derive(Parser)]
struct Args {
    /// The service: etcd://127.0.0.1:2379/book, consul://127.0.0.1:8500/book, static:///127.0.0.1:50052
    // A password in it is nobody's to see who asks for help.
    #[arg(value_name = "TARGET", env = "SD_TARGET", hide_env_values = true)]
    target: String,
    /// gRPC's service config, as JSON
    #[arg(long, value_name = "JSON", default_value = r#"{"LoadBalancingPolicy": "round_robin"}"#)]
    config: String,
    /// How many calls to make
    #[arg(long, value_name = "N", default_value_t = 8)]
    calls: u32,
    /// The book to ask for
    #[arg(long, value_name = "ID", default_value_t = 1)]
    book: i32,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let channel = Targets::new()
        .drivers(sd_kit::drivers())
        .channel(&args.target)?
        .service_config(ServiceConfig::from_json(&args.config)?)
        .connect()?;
    let mut books = BookServiceClient::new(channel);
    for _ in 0..args.calls {
        let book = books.get_book_info(BookInfoParams { book_id: args.book }).await?.into_inner();
        println!("bookId: {} => bookName: {}", book.book_id, book.book_name);
    }
    Ok(())
}
