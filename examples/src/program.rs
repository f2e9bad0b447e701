//! How each example begins, meets its registry, and ends.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser};
use sd_core::{Backend, BoxError, Error, ErrorKind, RegistryUrl};
use sd_kit::LifecycleError;
use tracing_subscriber::EnvFilter;

/// What a program's own `run` gives back.
pub type Outcome<T = ()> = Result<T, BoxError>;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Which registry a program uses, for programs that meet others through it.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// The registry: etcd://127.0.0.1:2379, consul://127.0.0.1:8500, zookeeper://127.0.0.1:2181,
    /// sd://127.0.0.1:7070; to look only, also static://127.0.0.1:50052 and file:///path/services.yaml
    // A password in it is nobody's to see who asks for help.
    #[arg(id = "registry", long = "registry", value_name = "URL", env = "SD_REGISTRY", hide_env_values = true)]
    pub url: String,
}

impl RegistryArgs {
    /// Connects to it.
    ///
    /// # Errors
    /// As [`sd_kit::connect`], and for `memory://`, where nobody else can be.
    pub fn connect(&self) -> Result<Arc<dyn Backend>, Error> {
        connect_shared(&self.url)
    }
}

/// Connects to a registry that others can reach, too.
///
/// # Errors
/// As [`sd_kit::connect`], and for `memory://`.
pub fn connect_shared(url: &str) -> Result<Arc<dyn Backend>, Error> {
    if url.parse::<RegistryUrl>()?.scheme() == "memory" {
        return Err(Error::config(
            "memory:// lives inside one process, where this program would be alone; give it a registry of its own, \
             such as etcd://127.0.0.1:2379, or run `book` without --registry, which brings its own",
        ));
    }
    sd_kit::connect(url)
}

/// A whole program: its arguments, its log, what it does, and its exit code.
pub async fn main<A, F, Fut>(run: F) -> ExitCode
where
    A: Parser + Send,
    F: FnOnce(A) -> Fut + Send,
    Fut: Future<Output = Outcome> + Send,
{
    start_logging();
    exit_code(run(A::parse()).await)
}

/// Writes the library's warnings to stderr; `RUST_LOG` asks for more or less.
fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// The exit code: 0, 2 for bad input as clap has it, 1 for all else; an error is told with its causes.
fn exit_code(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    let told = match error.downcast_ref::<LifecycleError>() {
        Some(LifecycleError::Registry(error)) => Some(error),
        _ => error.downcast_ref::<Error>(),
    };
    let bad_input = told.is_some_and(|error| error.kind() == ErrorKind::Config);
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
