//! A child process that can be stopped, continued and killed, and never outlives its test.

use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A child process; it is killed when this is dropped, stopped or not.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stands_still: AtomicBool,
}

impl Process {
    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stands_still: AtomicBool::new(false) }
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends it with SIGKILL, and waits until it has ended.
    pub fn kill(&mut self) {
        // An error says that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Lets it stand still: SIGSTOP; returns when all of its threads do.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pause(&self) {
        if self.stands_still.swap(true, Ordering::Relaxed) {
            return;
        }
        self.signal(Signal::SIGSTOP);
        // The signal is on its way when `kill` returns, and a thread on another core may yet answer a request.
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED));
        assert!(matches!(status, Ok(WaitStatus::Stopped(..))), "{status:?}");
    }

    /// Lets it go on: SIGCONT.
    pub fn resume(&self) {
        self.stands_still.store(false, Ordering::Relaxed);
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end: SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child's status can be read")
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.pid()));
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid is positive"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
