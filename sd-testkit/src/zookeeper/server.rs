//! One ZooKeeper process.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::operator::Operator;
use super::options::ZooKeeperOptions;
use crate::container::Container;
use crate::process::Process;
use crate::samples::random_word;
use crate::waiting::PATIENCE;
use crate::{ports, skip};

/// Beginnings of the names of the jars that the server needs. A class is looked for in one jar after the other, and a
/// class path of all that stands in a system's folder makes the start twice as long.
const JARS: &[&str] = &[
    "zookeeper",
    "slf4j-api",
    "slf4j-simple",
    "netty-buffer",
    "netty-codec.",
    "netty-codec-4",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "snappy-java",
    "metrics-core",
    "commons-cli",
];

/// One ZooKeeper process, in a folder of its own. It is killed, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct ZooKeeperServer {
    jars: PathBuf,
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    options: ZooKeeperOptions,
    process: Mutex<Option<Process>>,
    /// In place of a process.
    container: Option<Container>,
}

impl ZooKeeperServer {
    /// Starts one, and waits until it answers; `None` after having said that `test` is skipped.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, ZooKeeperOptions::new()).await
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start_with(test: &str, options: ZooKeeperOptions) -> Option<Self> {
        let jars = skip::server(super::VARIABLE, test)?;
        // Another test's server may take a port between choosing and binding it.
        for _ in 0..3 {
            let server = Self::prepared(&jars, ports::free(), options.clone());
            if server.try_launch().await {
                return Some(server);
            }
        }
        panic!("ZooKeeper came up on none of three choices of ports")
    }

    /// Around a container, which is awaited.
    pub(super) async fn in_container(container: Container) -> Self {
        let mut server = Self::prepared(Path::new(""), container.address().port(), ZooKeeperOptions::new());
        server.container = Some(container);
        assert!(server.ready().await, "ZooKeeper has ended in its container: {}", server.log());
        server
    }

    pub(super) fn prepared(jars: &Path, port: u16, options: ZooKeeperOptions) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-testkit-zookeeper-{}", random_word()));
        fs::create_dir(&folder).expect("a folder for ZooKeeper can be made");
        Self {
            jars: jars.to_owned(),
            folder,
            port,
            tls_port: ports::free(),
            options,
            process: Mutex::new(None),
            container: None,
        }
    }

    /// Where clients connect to without TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where clients connect to: the port with TLS where that is wanted.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", if self.options.is_tls() { self.tls_port } else { self.port })
    }

    /// What acts on it behind a client's back.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator::new(self.address())
    }

    /// Ends it at once: kill -9.
    pub fn kill(&self) {
        if let Some(container) = &self.container {
            container.kill();
        } else if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Starts it again with its data, on the same ports, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart(&self) {
        self.kill();
        assert!(self.try_launch().await, "ZooKeeper has ended while starting: {}", self.log());
    }

    /// Starts it again without its data, on the same ports, and waits until it answers. Its transactions count from the
    /// beginning again, so clients that have seen more are turned away until their sessions are given up.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart_empty(&self) {
        if let Some(container) = &self.container {
            container.start_empty();
            assert!(self.ready().await, "ZooKeeper has ended while starting: {}", self.log());
            return;
        }
        self.kill();
        fs::remove_dir_all(self.data().join("version-2")).expect("ZooKeeper's data can be removed");
        self.restart().await;
    }

    /// Lets it stand still, connections open: SIGSTOP.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn pause(&self) {
        match &self.container {
            Some(container) => container.pause(),
            None => self.process().as_ref().expect("it runs").pause(),
        }
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn resume(&self) {
        match &self.container {
            Some(container) => container.resume(),
            None => self.process().as_ref().expect("it runs").resume(),
        }
    }

    fn ended(&self) -> bool {
        match &self.container {
            Some(container) => container.ended(),
            None => self.process().as_mut().is_none_or(|process| process.ended().is_some()),
        }
    }

    /// What it has written to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        if let Some(container) = &self.container {
            return container.log();
        }
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts the process, without waiting for it.
    pub(super) fn launch(&self, further: &[String]) {
        if let Some(container) = &self.container {
            return container.start();
        }
        fs::create_dir_all(self.data()).expect("a folder for data can be made");
        let (mut lines, properties) = self.options.written_to(&self.folder, self.tls_port);
        lines.extend([
            format!("tickTime={}", self.options.tick.as_millis()),
            format!("dataDir={}", self.data().display()),
            format!("clientPort={}", self.port),
            "clientPortAddress=127.0.0.1".to_owned(),
            "maxClientCnxns=0".to_owned(),
            "admin.enableServer=false".to_owned(),
            format!("4lw.commands.whitelist={}", if self.options.words { "*" } else { "conf" }),
        ]);
        lines.extend_from_slice(further);
        let config = self.folder.join("zoo.cfg");
        fs::write(&config, lines.join("\n")).expect("zoo.cfg can be written");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log can be opened");
        let java = std::env::var_os(super::JAVA_VARIABLE).unwrap_or_else(|| OsString::from("java"));
        let mut command = Command::new(java);
        // A small machine, quick to start, that does not wait for its disk: it lives for seconds.
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m", "-XX:-UsePerfData"]);
        command.args(["-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=64"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").args(properties);
        command.arg("-cp").arg(class_path(&self.jars));
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(config);
        // Settings of the machine's own Java are not ours.
        for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"] {
            command.env_remove(variable);
        }
        let errors = log.try_clone().expect("a log can be shared");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        *self.process() = Some(Process::start(&mut command));
    }

    async fn try_launch(&self) -> bool {
        self.launch(&[]);
        self.ready().await
    }

    /// Waits until it answers; `false` when it has ended instead.
    pub(super) async fn ready(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().await {
            if self.ended() {
                return false;
            }
            assert!(Instant::now() < deadline, "ZooKeeper did not answer within {PATIENCE:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    async fn answers(&self) -> bool {
        if self.options.words {
            return self.operator().serves().await;
        }
        tokio::net::TcpStream::connect(self.address()).await.is_ok()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().expect("not poisoned")
    }
}

/// The jars that the server needs; the whole folder, where they are not recognised.
fn class_path(jars: &Path) -> OsString {
    let found = fs::read_dir(jars).unwrap_or_else(|error| panic!("{}: {error}", jars.display()));
    let needed = |name: &str| name.ends_with(".jar") && JARS.iter().any(|jar| name.starts_with(jar));
    let mut paths: Vec<_> = found.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    // Names without a version are links to those with one.
    paths.sort();
    paths.retain(|name| needed(name));
    if paths.is_empty() {
        return jars.join("*").into_os_string();
    }
    std::env::join_paths(paths.iter().map(|name| jars.join(name))).expect("a path without a colon")
}

impl Drop for ZooKeeperServer {
    fn drop(&mut self) {
        if self.container.is_none() {
            self.kill();
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
