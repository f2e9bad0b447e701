//! The program beneath this one.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::killpg;
use nix::unistd::Pid;
use sd_core::BoxError;
use tokio::process::{Child, Command};

use super::signals::{Signal, Signals, Told};
use crate::program::Exit;

/// A program in a process group of its own: what a terminal sends its foreground reaches this one first, so that clients
/// are told before the program is. Killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    kill_after: Duration,
}

/// Why something that was waited for did not come about.
pub(crate) enum Break {
    /// The program has ended, with this exit code.
    Ended(u8),
    /// This was told to stop.
    Told(Signal),
    /// The system does not say how the program is.
    Failed(io::Error),
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// With the exit codes of a shell: 127 when it is not there, 126 when it can't be executed.
    pub(crate) fn start(name: &OsStr, arguments: &[OsString], kill_after: Duration) -> Result<Self, BoxError> {
        let mut command = Command::new(name);
        command.args(arguments).process_group(0).kill_on_drop(true);
        // Out of the terminal's foreground, reading from it would stop the program.
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        match command.spawn() {
            Ok(child) => Ok(Self { child, kill_after }),
            Err(error) => {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                Err(Exit { code, message: format!("{}: {error}", name.display()) }.into())
            }
        }
    }

    /// What `awaited` comes to, unless the program ends or this is told to stop before. Other signals are passed on.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        signals: &mut Signals,
        awaited: impl Future<Output = T> + Send,
    ) -> Result<T, Break> {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                // One that has ended answers no more, whatever else is true.
                biased;
                ended = self.child.wait() => return Err(ended.map_or_else(Break::Failed, |how| Break::Ended(code(how)))),
                told = signals.next() => match told {
                    Told::Stop(signal) => return Err(Break::Told(signal)),
                    Told::Other(signal) => self.signal(signal),
                },
                value = &mut awaited => return Ok(value),
            }
        }
    }

    /// Passes it the signal, and those that come meanwhile, and waits for its end; kills it when that takes too long.
    pub(crate) async fn stop(&mut self, signal: Signal, signals: &mut Signals) -> io::Result<u8> {
        self.signal(signal);
        let kill_after = self.kill_after;
        let mut late = pin!(tokio::time::sleep(kill_after));
        loop {
            tokio::select! {
                biased;
                ended = self.child.wait() => return ended.map(code),
                Told::Stop(signal) | Told::Other(signal) = signals.next() => self.signal(signal),
                () = &mut late => {
                    eprintln!("the program has not ended within {kill_after:?} (--kill-after): it is killed");
                    self.signal(Signal::SIGKILL);
                    return self.child.wait().await.map(code);
                }
            }
        }
    }

    /// To its group: a shell that runs the program does not pass signals on.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // An error says that it has just ended, which is noticed anyway.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

/// As shells show it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}
