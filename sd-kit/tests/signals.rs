//! Told to stop as a process is: by signals, and by Enter on its terminal. Each server is a process of its own, this test
//! binary started once more.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may; clippy does not see that this is one")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_kit::{Lifecycle, Stopping};
use sd_testkit::PATIENCE;
use sd_testkit::process::Process;
use sd_testkit::waiting::eventually;

/// Says how long the server in the further process drains, in milliseconds.
const VARIABLE: &str = "SD_KIT_TEST_DRAIN";

const AT_ONCE: u64 = 0;
const FOR_EVER: u64 = 600_000;

/// The further process; in an ordinary run it does nothing.
#[test]
fn server_process() {
    let Ok(drain) = std::env::var(VARIABLE) else { return };
    let drain = Duration::from_millis(drain.parse().unwrap());
    // As a program's `main` has it: when it returns, the runtime waits for what blocks.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let lifecycle = Lifecycle::connect("book", "memory://").unwrap().drain(drain);
        let lifecycle = lifecycle.on_event(|event| println!("\n{} {event}", std::process::id()));
        lifecycle.run(serve).await.unwrap();
    });
    drop(runtime);
}

async fn serve(_listener: TcpListener, stopping: Stopping) -> Result<(), std::io::Error> {
    stopping.await;
    Ok(())
}

/// What starts the further process, and its arguments.
fn itself() -> (std::path::PathBuf, [&'static str; 4]) {
    (std::env::current_exe().unwrap(), ["server_process", "--exact", "--nocapture", "--test-threads=1"])
}

struct Server {
    process: Process,
    lines: Receiver<String>,
    pid: Pid,
}

impl Server {
    /// Starts it, and waits until it is registered.
    fn start(mut command: Command, drain: u64, input: Stdio) -> Self {
        command.env(VARIABLE, drain.to_string()).stdin(input).stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stdout = process.child().stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let told = BufReader::new(stdout).lines().map_while(Result::ok);
            told.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        let mut server = Self { process, lines, pid: Pid::from_raw(0) };
        let line = server.says("registered as book/");
        server.pid = Pid::from_raw(line.split_whitespace().next().unwrap().parse().unwrap());
        server
    }

    fn alone(drain: u64, input: Stdio) -> Self {
        let (path, arguments) = itself();
        let mut command = Command::new(path);
        command.args(arguments);
        Self::start(command, drain, input)
    }

    /// Waits until it prints a line that holds `text`.
    fn says(&self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("{text:?} was not said: {error}"),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    async fn ended(mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", async || {
            status = self.process.ended();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What started it for us is killed by its own guard, and would leave it behind.
        if self.process.ended().is_none() && self.pid.as_raw() != 0 {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

#[tokio::test]
async fn sigterm_and_ctrl_c_end_it_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::alone(AT_ONCE, Stdio::null());
        server.signal(signal);
        server.says("deregistered");
        server.says("finishing");
        server.says("stopped");
        assert_eq!(server.ended().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [(Signal::SIGTERM, Signal::SIGTERM), (Signal::SIGTERM, Signal::SIGINT)] {
        let server = Server::alone(FOR_EVER, Stdio::null());
        server.signal(first);
        server.says("draining");
        server.signal(second);
        assert_eq!(server.ended().await.code(), Some(130), "{second}");
    }
}

#[tokio::test]
async fn a_pipe_that_says_something_or_ends_is_no_enter() {
    let mut server = Server::alone(AT_ONCE, Stdio::piped());
    let mut input = server.process.child().stdin.take().unwrap();
    input.write_all(b"\n\n").unwrap();
    drop(input);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.process.ended(), None);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[cfg(target_os = "linux")]
mod on_a_terminal {
    use std::fs::File;

    use nix::pty::openpty;

    use super::*;

    /// A program with a terminal of its own, and the side that types.
    fn with_terminal(program: &mut dyn FnMut(&mut Command), drain: u64) -> (Server, File) {
        let pair = openpty(None, None).unwrap();
        // Makes it the terminal that controls the program, which only a program without another can have.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]);
        program(&mut command);
        (Server::start(command, drain, pair.slave.into()), File::from(pair.master))
    }

    fn in_the_foreground(command: &mut Command) {
        let (path, arguments) = itself();
        command.arg(path).args(arguments);
    }

    fn in_the_background(command: &mut Command) {
        let (path, arguments) = itself();
        // With -m the shell puts it into a group of its own, as at a prompt.
        command.args(["sh", "-m", "-c", "\"$0\" \"$@\" & wait $!"]).arg(path).args(arguments);
    }

    #[tokio::test]
    async fn enter_ends_it_in_order() {
        let (server, mut keyboard) = with_terminal(&mut in_the_foreground, AT_ONCE);
        keyboard.write_all(b"\n").unwrap();
        server.says("deregistered");
        server.says("stopped");
        assert_eq!(server.ended().await.code(), Some(0));
    }

    #[tokio::test]
    async fn after_enter_the_first_signal_already_ends_it_at_once() {
        let (server, mut keyboard) = with_terminal(&mut in_the_foreground, FOR_EVER);
        keyboard.write_all(b"stop, please\n").unwrap();
        server.says("draining");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.ended().await.code(), Some(130));
    }

    #[tokio::test]
    async fn the_terminal_holds_up_nobodys_end() {
        let (server, keyboard) = with_terminal(&mut in_the_foreground, AT_ONCE);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.ended().await.code(), Some(0));
        drop(keyboard);
    }

    #[tokio::test]
    async fn what_is_typed_to_another_program_neither_stops_nor_suspends_it() {
        let (mut server, mut keyboard) = with_terminal(&mut in_the_background, AT_ONCE);
        keyboard.write_all(b"\n").unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(server.process.ended(), None);
        let status = std::fs::read_to_string(format!("/proc/{}/stat", server.pid)).unwrap();
        assert!(!status.rsplit(") ").next().unwrap().starts_with('T'), "it is suspended: {status}");
        server.signal(Signal::SIGTERM);
        server.says("stopped");
        assert_eq!(server.ended().await.code(), Some(0));
    }
}
