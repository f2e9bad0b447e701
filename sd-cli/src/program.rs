//! How every command begins and ends.

use std::process::ExitCode;

use sd_core::{BoxError, Error, ErrorKind};
use tracing_subscriber::EnvFilter;

/// What a command gives back.
pub(crate) type Outcome = Result<(), BoxError>;

/// Writes the log to stderr; `RUST_LOG` asks for more or less.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// The exit code: 0, 2 for bad input as clap has it, 1 for all else; an error is told with its causes.
pub(crate) fn exit_code(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    let bad_input = error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Config);
    ExitCode::from(if bad_input { 2 } else { 1 })
}
