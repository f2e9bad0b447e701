//! How every command begins and ends.

use std::fmt;
use std::io;
use std::process::ExitCode;

use sd_core::{BoxError, Error, ErrorKind};
use tracing_subscriber::EnvFilter;

/// What a command gives back.
pub(crate) type Outcome = Result<(), BoxError>;

/// What the help of every command ends with.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    it was done
  1    it failed
  2    bad input: an argument, a URL, a name; nothing was sent
  3    not found: no such service or instance, or nobody is there
  4    the registry can't be reached, or does not answer in time
  5    the registry refuses the credentials, or they lack the right
  6    this kind of registry can't do that
  sdkit serve knows 0, 1 and 2.";

/// Writes the log to stderr; `RUST_LOG` asks for more or less than `level`.
pub(crate) fn start_logging(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// The exit code of a registry centre: 0, 2 for bad input as clap has it, 1 for all else.
pub(crate) fn exit_code_of_serve(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    tell(&error);
    ExitCode::from(if code_of(&error) == 2 { 2 } else { 1 })
}

/// The exit code, as [`EXIT_CODES`] says; an error is told with its causes.
pub(crate) fn exit_code(outcome: Outcome) -> ExitCode {
    exit_code_of(outcome.map(|()| 0))
}

/// As [`exit_code`], of a command that has an exit code of its own also when all is well.
pub(crate) fn exit_code_of(outcome: Result<u8, BoxError>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        // Whoever read has read enough, as `head` does.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::from(code_of(&error))
        }
    }
}

/// Ends a command with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}

fn tell(error: &BoxError) {
    eprintln!("error: {}", told(error));
}

/// The error and its causes; a cause whose words stand there already is not told twice.
fn told(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text = format!("{text}\n  caused by: {line}");
        }
        cause = error.source();
    }
    text
}

pub(crate) fn code_of(error: &BoxError) -> u8 {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.code;
    }
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(ErrorKind::Config) => 2,
        Some(ErrorKind::NotFound) => 3,
        Some(ErrorKind::Unavailable) => 4,
        Some(ErrorKind::Unauthorized) => 5,
        Some(ErrorKind::Unsupported) => 6,
        _ => 1,
    }
}

fn is_closed_pipe(error: &BoxError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_what_the_caller_can_do() {
        for (error, code) in [
            (BoxError::from("x"), 1),
            (Error::new(ErrorKind::Conflict, "x").into(), 1),
            (Error::config("x").into(), 2),
            (Error::new(ErrorKind::NotFound, "x").into(), 3),
            (Error::unavailable("x").into(), 4),
            (Error::new(ErrorKind::Unauthorized, "x").into(), 5),
            (Error::unsupported("x").into(), 6),
            (Exit { code: 124, message: "x".to_owned() }.into(), 124),
        ] {
            assert_eq!(code_of(&error), code, "{error}");
        }
        assert!(is_closed_pipe(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        assert!(!is_closed_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Error::unavailable("no answer: refused").with_source("refused");
        assert_eq!(told(&error.into()), "unavailable: no answer: refused");
        let error = Error::unavailable("no answer").with_source("refused");
        assert_eq!(told(&error.into()), "unavailable: no answer\n  caused by: refused");
    }
}
