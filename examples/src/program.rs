//! How each example begins and ends.

use std::process::ExitCode;
use std::time::Duration;

use sd_core::{BoxError, ErrorKind};
use tracing_subscriber::EnvFilter;

/// What a program's own `run` gives back.
pub type Outcome<T = ()> = Result<T, BoxError>;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes the library's warnings to stderr; `RUST_LOG` asks for more or less.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// The exit code: 0, 2 for bad input as clap has it, 1 for all else; an error is told with its causes.
#[must_use]
pub fn exit_code(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    let bad_input = error.downcast_ref::<sd_core::Error>().is_some_and(|error| error.kind() == ErrorKind::Config);
    ExitCode::from(if bad_input { 2 } else { 1 })
}

/// Reads a command line's time: seconds, as `5` or `0.5`.
///
/// # Errors
/// Anything else, and more than a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| *time <= A_DAY).ok_or_else(|| "allowed are 0 to 86400 seconds, as 5 or 0.5".to_owned())
}
