//! One centre as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::gateway::CentreGateway;
use super::options::CentreOptions;
use super::process::Program;
use crate::ports;
use crate::process::Process;
use crate::samples::random_word;
use crate::waiting::{PATIENCE, eventually};

/// One centre, in a folder of its own. It is killed, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct CentreServer {
    program: Program,
    folder: PathBuf,
    options: CentreOptions,
    process: Mutex<Option<Process>>,
}

impl CentreServer {
    /// Starts the test binary as a centre, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up: [`centre_process!`](crate::centre_process) may be missing.
    pub async fn start(options: CentreOptions) -> Self {
        Self::start_program(&Program::ThisTest, options).await
    }

    /// Starts a program that understands `serve` as `sdkit` does, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start_binary(binary: &Path, options: CentreOptions) -> Self {
        Self::start_program(&Program::Binary(binary.to_owned()), options).await
    }

    async fn start_program(program: &Program, options: CentreOptions) -> Self {
        let mut log = String::new();
        // Another test's server may take the port between choosing and binding it.
        for _ in 0..3 {
            let server = Self::prepared(program.clone(), options.clone());
            if server.try_launch().await {
                return server;
            }
            log = server.log();
        }
        panic!("the centre came up on none of three ports: {log}")
    }

    fn prepared(program: Program, mut options: CentreOptions) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-testkit-centre-{}", random_word()));
        fs::create_dir(&folder).expect("a folder for the centre can be made");
        if options.listen.port() == 0 {
            options.listen.set_port(ports::free());
        }
        if options.keeps_data {
            options.data = Some(folder.join("data"));
        }
        Self { program, folder, options, process: Mutex::new(None) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.options.listen
    }

    /// Its process; `None` when it doesn't run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_mut().map(|process| process.child().id())
    }

    /// What acts on it behind a client's back.
    #[must_use]
    pub fn gateway(&self) -> CentreGateway {
        CentreGateway::new(self.address())
    }

    /// Ends it at once: kill -9.
    pub fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Asks it to end, and waits until it has: SIGTERM. A test binary knows no better than to end at once.
    ///
    /// # Panics
    /// When it doesn't run, or doesn't end.
    pub async fn terminate(&self) -> ExitStatus {
        let mut process = self.process().take().expect("it runs");
        process.terminate();
        let mut status = None;
        eventually("the centre has ended", async || {
            status = process.ended();
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    /// Starts it again on the same port, with its data where it keeps any, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart(&self) {
        self.kill();
        assert!(self.try_launch().await, "the centre has ended while starting: {}", self.log());
    }

    /// Starts it again without its data, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart_empty(&self) {
        self.kill();
        if let Some(data) = self.options.data.as_ref().filter(|data| data.exists()) {
            fs::remove_dir_all(data).expect("the centre's data can be removed");
        }
        self.restart().await;
    }

    /// Lets it stand still, connections open: SIGSTOP.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn pause(&self) {
        self.process().as_ref().expect("it runs").pause();
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn resume(&self) {
        self.process().as_ref().expect("it runs").resume();
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts the process, and waits until it answers; `false` when it has ended instead.
    async fn try_launch(&self) -> bool {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log can be opened");
        let beside = log.try_clone().expect("a log can be shared");
        let mut command = self.program.command(&self.options);
        command.stdin(Stdio::piped()).stdout(beside).stderr(log);
        *self.process() = Some(Process::start(&mut command));
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().await {
            if self.process().as_mut().is_none_or(|process| process.ended().is_some()) {
                return false;
            }
            assert!(Instant::now() < deadline, "the centre did not answer within {PATIENCE:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    async fn answers(&self) -> bool {
        // The gateway speaks no TLS.
        if self.options.tls.is_some() {
            return TcpStream::connect(self.address()).await.is_ok();
        }
        self.gateway().is_healthy().await
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().expect("not poisoned")
    }
}

impl Drop for CentreServer {
    fn drop(&mut self) {
        self.kill();
        drop(fs::remove_dir_all(&self.folder));
    }
}
