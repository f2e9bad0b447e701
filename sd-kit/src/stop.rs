//! Being told to stop: SIGTERM, Ctrl-C, and on a terminal Enter.

use std::io;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::terminal;

/// The exit code after a second signal, as shells show it for Ctrl-C.
const IMPATIENT: i32 = 130;

/// Listens for what tells a program to stop: SIGTERM or Ctrl-C.
///
/// Signals count from when this is made. The first one is told by [`requested`](Self::requested). Any further one ends
/// the process at once, with exit code 130, whatever its tasks are waiting for. (It is one of them that listens: a program
/// that blocks all threads of its runtime hears nothing.)
///
/// Keep it for as long as the program runs. When it is dropped nobody listens any more, and the system does not go back
/// to ending the process at a signal by itself.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let mut stop = sd_kit::StopSignal::listen()?;
/// stop.requested().await;
/// println!("going");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StopSignal {
    requested: watch::Receiver<bool>,
    /// Told by the program itself that it stops.
    stopping: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl StopSignal {
    /// Listens for SIGTERM and Ctrl-C; where there is no SIGTERM, for Ctrl-C.
    ///
    /// # Errors
    /// When the system lets nobody listen for signals.
    ///
    /// # Panics
    /// Outside a tokio runtime that has I/O enabled.
    pub fn listen() -> io::Result<Self> {
        Self::start(false)
    }

    /// As [`listen`](Self::listen), and for Enter, if standard input is a terminal and this program in its foreground.
    ///
    /// What is typed until then is read and thrown away. Only on Unix; elsewhere Enter does nothing.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    ///
    /// # Panics
    /// As [`listen`](Self::listen).
    pub fn listen_with_enter() -> io::Result<Self> {
        Self::start(true)
    }

    /// Resolves once the program has been told to stop, and at once ever after.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn requested(&mut self) {
        if self.requested.wait_for(|requested| *requested).await.is_err() {
            // Whoever listened has ended, which it does only with the process.
            std::future::pending::<()>().await;
        }
    }

    /// Says that the program stops of its own accord: from now on the first signal already ends it at once.
    pub(crate) fn stopping(&self) {
        self.stopping.send_replace(true);
    }

    fn start(enter: bool) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (tell, requested) = watch::channel(false);
        let (stopping, mut told) = watch::channel(false);
        let listening = tokio::spawn(async move {
            tokio::select! {
                () = signals.next() => {}
                () = terminal::enter(), if enter => {}
                _ = told.wait_for(|stopping| *stopping) => {}
            }
            tell.send_replace(true);
            signals.next().await;
            tracing::warn!("told to stop once more: leaving at once");
            std::process::exit(IMPATIENT);
        });
        Ok(Self { requested, stopping, listening })
    }
}

impl Drop for StopSignal {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
