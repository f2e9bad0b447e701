//! Running the example programs as a user does: as processes, by what they print.

#![allow(dead_code, reason = "not every test file needs all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may; clippy does not see that this is one")]

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_testkit::PATIENCE;
use sd_testkit::process::Process;
use sd_testkit::waiting::eventually;

/// A running example; killed when it is dropped.
pub(crate) struct Program {
    process: Process,
    printed: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program has printed in the end, and how it ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

impl Program {
    /// Starts it with arguments, which are separated by blanks.
    pub(crate) fn start(path: &str, arguments: &str) -> Self {
        let mut command = Command::new(path);
        command.args(arguments.split_whitespace());
        Self::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("RUST_LOG")
            .env_remove("SD_REGISTRY");
        // What this very test says of it stays.
        if !command.get_envs().any(|(name, _)| name == "SD_ADVERTISE") {
            command.env_remove("SD_ADVERTISE");
        }
        let mut process = Process::start(command);
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let out = process.child().stdout.take().unwrap();
        let err = process.child().stderr.take().unwrap();
        let readers = vec![collect(out, &printed), collect(err, &printed)];
        Self { process, printed, readers }
    }

    /// Waits for a line that holds `text`, and returns what follows it there.
    pub(crate) async fn said(&self, text: &str) -> String {
        let find = || self.lines().iter().find_map(|line| Some(line.split_once(text)?.1.to_owned()));
        self.until(text, |_| find().is_some()).await;
        find().unwrap()
    }

    /// Waits until the lines printed so far are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&[String]) -> bool + Send + Sync) {
        let done = tokio::time::timeout(PATIENCE, async {
            while !wanted(&self.lines()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(done.await.is_ok(), "{what}: not within {PATIENCE:?}:\n{}", self.lines().join("\n"));
    }

    /// Everything printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.child().id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let mut status = None;
        eventually("the program ends", async || {
            status = self.process.ended();
            status.is_some()
        })
        .await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { status: status.unwrap(), output: self.lines().join("\n") }
    }
}

fn collect(pipe: impl Read + Send + 'static, printed: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            printed.lock().unwrap().push(line);
        }
    })
}
