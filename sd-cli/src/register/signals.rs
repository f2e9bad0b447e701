//! The signals that a program beneath this one is passed.

use std::io;

pub(crate) use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind};

/// What this program was told.
pub(crate) enum Told {
    /// To end, and the program with it.
    Stop(Signal),
    /// Something that is the program's own matter.
    Other(Signal),
}

/// Listens from when it is made; signals of the same kind that arrive together are one.
pub(crate) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    hangup: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            quit: unix::signal(SignalKind::quit())?,
            hangup: unix::signal(SignalKind::hangup())?,
            user1: unix::signal(SignalKind::user_defined1())?,
            user2: unix::signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop(Signal::SIGTERM),
            _ = self.interrupt.recv() => Told::Stop(Signal::SIGINT),
            _ = self.quit.recv() => Told::Stop(Signal::SIGQUIT),
            _ = self.hangup.recv() => Told::Other(Signal::SIGHUP),
            _ = self.user1.recv() => Told::Other(Signal::SIGUSR1),
            _ = self.user2.recv() => Told::Other(Signal::SIGUSR2),
        }
    }

    /// The next one that says to end, where there is no program to pass others to: a terminal that is gone says so, too.
    pub(crate) async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                Told::Stop(signal) | Told::Other(signal @ Signal::SIGHUP) => return signal,
                Told::Other(_) => {}
            }
        }
    }
}
