//! A registrant as a process of its own, to be killed and stopped: the test binary, started once more.
//!
//! Mount [`child_process!`](crate::child_process) once in the test binary; then [`ChildRegistrant::start`] runs that
//! one test in a further process, which registers what the environment variable says and stays.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use sd_core::Backend;

use crate::process::Process;
use crate::samples::registration;
use crate::waiting::PATIENCE;

const VARIABLE: &str = "SD_TESTKIT_CHILD";

/// The test that the further process runs. In an ordinary run it does nothing.
///
/// Takes a function from a URL to a backend.
#[macro_export]
macro_rules! child_process {
    ($connect:expr) => {
        #[test]
        fn sd_testkit_child_process() {
            $crate::child::run_if_asked($connect);
        }
    };
}

/// A registrant in a process of its own; killed when this is dropped.
#[derive(Debug)]
pub struct ChildRegistrant {
    process: Process,
    lines: mpsc::Receiver<String>,
}

impl ChildRegistrant {
    /// Starts it, and waits until it is registered at `url` as `id` of `service`.
    ///
    /// # Panics
    /// When it does not say so in time.
    pub fn start(url: &str, service: &str, id: &str, port: u16) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
        // It may stand in a module, so its whole name is not known.
        command.args(["sd_testkit_child_process", "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, format!("{url}\n{service}\n{id}\n{port}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stdout = process.child().stdout.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let told = BufReader::new(stdout).lines().map_while(Result::ok);
            told.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        let child = Self { process, lines };
        child.says("registered");
        child
    }

    /// Waits until it has printed a line that begins so.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn says(&self, wanted: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                // The runner prints too, and without an end of line.
                Ok(line) if line.ends_with(wanted) => return,
                Ok(_) => {}
                Err(error) => panic!("the child process did not say {wanted:?}: {error}"),
            }
        }
    }

    /// The process, to be killed, stopped and continued.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Whether this process is the further one; [`run_if_asked`] then does its work. For a program that is no test binary,
/// and starts itself once more: it has to ask before it reads its arguments.
#[must_use]
pub fn is_asked() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// What the further process does; returns at once in an ordinary run.
///
/// # Panics
/// When the registry can't be reached for good: the starter waits in vain then, and says so.
pub fn run_if_asked(connect: impl FnOnce(&str) -> Arc<dyn Backend>) {
    let Ok(asked) = std::env::var(VARIABLE) else { return };
    let parts: Vec<_> = asked.split('\n').collect();
    let [url, service, id, port] = parts[..] else { panic!("{VARIABLE} is {asked:?}") };
    let given = registration(&service.parse().expect("a service"), id, port.parse().expect("a port"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut handle = connect(url).register(given).await.expect("the registry is there");
        println!("registered");
        // Its parent's end closes its input, and must end it too.
        let orphaned = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
        tokio::select! {
            () = async { while let Some(state) = handle.changed().await { println!("{}", word_for(&state)) } } => {}
            _ = orphaned => {}
        }
    });
}

fn word_for(state: &sd_core::RegistrationState) -> &'static str {
    match state {
        sd_core::RegistrationState::Registered { .. } => "registered",
        sd_core::RegistrationState::Retrying { .. } => "retrying",
        sd_core::RegistrationState::Superseded => "superseded",
        sd_core::RegistrationState::Deregistered => "deregistered",
        _ => "refused",
    }
}
