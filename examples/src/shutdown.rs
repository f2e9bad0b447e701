//! Stopping when told to: SIGTERM or Ctrl-C.

use std::future::Future;
use std::io;

use tokio::sync::oneshot;

/// The exit code after a second signal, as shells show it for Ctrl-C.
const IMPATIENT: i32 = 130;

/// Resolves at the first SIGTERM or Ctrl-C; the second one ends the program at once, whatever it is doing.
///
/// Signals count from this call on, not from the first poll.
///
/// # Errors
/// When the system lets nobody listen for signals.
pub fn requested() -> io::Result<impl Future<Output = ()> + Unpin> {
    let mut signals = Signals::new()?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        // An error says that nobody waits any more; the second signal counts all the same.
        let _ = tell.send(());
        signals.next().await;
        eprintln!("second signal: leaving at once");
        std::process::exit(IMPATIENT);
    });
    Ok(Box::pin(async move {
        let _ = told.await;
    }))
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
