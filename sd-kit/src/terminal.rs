//! Enter, pressed on the terminal that this program runs in.
//!
//! No thread reads standard input: one that did could not be stopped, and would hold up the program's end. The runtime
//! says when there is something to read, and then reading does not wait.

/// Resolves when Enter is pressed; never where there is no terminal to press it on. Cancel safe.
pub(crate) async fn enter() {
    #[cfg(unix)]
    if let Some(terminal) = unix::Terminal::open() {
        terminal.line().await;
        return;
    }
    std::future::pending::<()>().await;
}

#[cfg(unix)]
mod unix {
    use std::io::{IsTerminal as _, stdin};
    use std::os::fd::{AsFd as _, OwnedFd};

    use nix::unistd::{getpgrp, read, tcgetpgrp};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(super) struct Terminal(AsyncFd<OwnedFd>);

    impl Terminal {
        /// Standard input, if it is a terminal; a pipe or a file that ends is no word from a person.
        pub(super) fn open() -> Option<Self> {
            stdin().is_terminal().then_some(())?;
            let own = stdin().as_fd().try_clone_to_owned().ok()?;
            #[allow(
                deprecated,
                reason = "its successor is an unsafe fn, for descriptors that may lie; this one is owned"
            )]
            AsyncFd::with_interest(own, Interest::READABLE).ok().map(Self)
        }

        /// Waits for the end of a line.
        pub(super) async fn line(&self) {
            while let Ok(mut ready) = self.0.readable().await {
                ready.clear_ready();
                // A program in the background that reads its terminal is stopped by the system (SIGTTIN), and what was
                // typed is meant for another.
                if tcgetpgrp(self.0.get_ref()) != Ok(getpgrp()) {
                    continue;
                }
                let mut typed = [0; 256];
                match read(self.0.get_ref(), &mut typed) {
                    // The terminal is gone; that is told by a signal, where it is meant to end the program.
                    Ok(0) | Err(_) => break,
                    Ok(length) if typed[..length].iter().any(|byte| b"\r\n".contains(byte)) => return,
                    // A Ctrl-D ends a line that is no line.
                    Ok(_) => {}
                }
            }
            std::future::pending::<()>().await;
        }
    }
}
