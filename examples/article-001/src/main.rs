//! Article 001's system: all of it, or one part.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sd_article_001::commands::{self, AllArgs, Outcome, ServiceArgs};
use sd_article_001::log_layer::LogLayer;
use sd_article_001::names::{GRADING, PORTAL};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// A centre, a log service, and a grading service and a portal that log to it, told of each other by push.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Part>,
    #[command(flatten)]
    all: AllArgs,
}

/// One part, as a process of its own.
#[derive(Subcommand)]
enum Part {
    /// The centre, as the article's programs expect it
    Centre {
        /// Where it listens, on both loopbacks
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// The log service
    Log {
        #[command(flatten)]
        service: ServiceArgs,
        /// Where it listens; 0 takes a free port
        #[arg(long, default_value_t = 4000)]
        port: u16,
        /// The log file
        #[arg(long, default_value = "distributed.log")]
        file: PathBuf,
    },
    /// The grading service
    Grading {
        #[command(flatten)]
        service: ServiceArgs,
        /// Where it listens; 0 takes a free port
        #[arg(long, default_value_t = 6000)]
        port: u16,
    },
    /// The portal
    Portal {
        #[command(flatten)]
        service: ServiceArgs,
        /// Where it listens; 0 takes a free port
        #[arg(long, default_value_t = 5000)]
        port: u16,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Outcome {
    let here = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error")));
    let log = tracing_subscriber::registry().with(here);
    match arguments.command {
        None => {
            log.init();
            commands::all(arguments.all).await
        }
        Some(Part::Centre { port }) => {
            log.init();
            commands::centre(port).await
        }
        Some(Part::Log { service, port, file }) => {
            log.init();
            commands::log(service, port, &file).await
        }
        Some(Part::Grading { service, port }) => {
            let (layer, lines) = LogLayer::new(GRADING);
            log.with(layer).init();
            commands::grading(service, port, lines).await
        }
        Some(Part::Portal { service, port }) => {
            let (layer, lines) = LogLayer::new(PORTAL);
            log.with(layer).init();
            commands::portal(service, port, lines).await
        }
    }
}
