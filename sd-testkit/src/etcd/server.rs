//! One etcd process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::gateway::Gateway;
use crate::container::Container;
use crate::process::Process;
use crate::samples::random_word;
use crate::waiting::PATIENCE;
use crate::{ports, skip};

/// How an etcd is to be started, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct EtcdOptions {
    arguments: Vec<String>,
    tls: Option<Tls>,
    listen: Option<String>,
}

#[derive(Debug, Clone)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl EtcdOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument of etcd's command line, as `--quota-backend-bytes=1000000`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Lets tokens of logged-in users expire after so many seconds.
    #[must_use]
    pub fn auth_token_ttl(self, seconds: u32) -> Self {
        self.argument(format!("--auth-token-ttl={seconds}"))
    }

    /// Serves clients over TLS with this certificate and key (PEM files); with `client_ca`, clients need a certificate
    /// that it has signed. The gateway of the tests stays reachable without.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Self {
        let client_ca = client_ca.map(Path::to_owned);
        self.tls = Some(Tls { certificate: certificate.to_owned(), key: key.to_owned(), client_ca });
        self
    }

    /// Listens for clients on this host instead of 127.0.0.1; an IPv6 address in brackets.
    #[must_use]
    pub fn listen_on(mut self, host: impl Into<String>) -> Self {
        self.listen = Some(host.into());
        self
    }
}

/// One etcd process, in a folder of its own. It is killed, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct EtcdServer {
    binary: PathBuf,
    folder: PathBuf,
    name: String,
    host: String,
    client_port: u16,
    /// Never behind TLS.
    gateway_port: u16,
    peer_port: u16,
    options: EtcdOptions,
    /// `name=url,…` of all members.
    initial_cluster: String,
    token: Mutex<String>,
    process: Mutex<Option<Process>>,
    /// In place of a process.
    container: Option<Container>,
}

impl EtcdServer {
    /// Starts one, and waits until it answers; `None` after having said that `test` is skipped.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, EtcdOptions::new()).await
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start_with(test: &str, options: EtcdOptions) -> Option<Self> {
        let binary = skip::server(super::VARIABLE, test)?;
        // Another test's server may take a port between choosing and binding it.
        for _ in 0..3 {
            let server = Self::prepared(&binary, "default", options.clone());
            if server.try_launch().await {
                return Some(server);
            }
        }
        panic!("etcd came up on none of three choices of ports")
    }

    /// Around a container, which is awaited. Emptied, it claims to be the cluster that it was.
    pub(super) async fn in_container(container: Container) -> Self {
        let mut server = Self::prepared(Path::new(""), "etcd", EtcdOptions::new());
        server.client_port = container.address().port();
        server.gateway_port = server.client_port;
        server.container = Some(container);
        assert!(server.ready().await, "etcd has ended in its container: {}", server.log());
        server
    }

    pub(super) fn prepared(binary: &Path, name: &str, options: EtcdOptions) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-testkit-etcd-{}", random_word()));
        fs::create_dir(&folder).expect("a folder for etcd can be made");
        let (client_port, peer_port) = (ports::free(), ports::free());
        let gateway_port = if options.tls.is_some() || options.listen.is_some() { ports::free() } else { client_port };
        Self {
            binary: binary.to_owned(),
            folder,
            name: name.to_owned(),
            host: options.listen.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
            client_port,
            gateway_port,
            peer_port,
            options,
            initial_cluster: format!("{name}=http://127.0.0.1:{peer_port}"),
            token: Mutex::new(random_word()),
            process: Mutex::new(None),
            container: None,
        }
    }

    pub(super) fn join(&mut self, initial_cluster: &str, token: &str) {
        initial_cluster.clone_into(&mut self.initial_cluster);
        *self.token.lock().expect("not poisoned") = token.to_owned();
    }

    pub(super) fn member(&self) -> String {
        format!("{}=http://127.0.0.1:{}", self.name, self.peer_port)
    }

    /// Where clients connect to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.client_port)
    }

    /// Where clients connect to, for a proxy.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.endpoint().parse().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, self.client_port).into())
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.client_port
    }

    /// What acts on it behind a client's back.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        Gateway::new((Ipv4Addr::LOCALHOST, self.gateway_port).into())
    }

    /// Its process; `None` in a container.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_mut().map(|process| process.child().id())
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
        assert!(self.try_launch().await, "etcd has ended while starting: {}", self.log());
    }

    /// Starts it again without its data, as another cluster on the same ports, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart_empty(&self) {
        *self.token.lock().expect("not poisoned") = random_word();
        self.restart_empty_as_the_same_cluster().await;
    }

    /// As [`restart_empty`](Self::restart_empty), but it claims to be the cluster that it was: only its revisions tell.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart_empty_as_the_same_cluster(&self) {
        if let Some(container) = &self.container {
            container.start_empty();
            assert!(self.ready().await, "etcd has ended while starting: {}", self.log());
            return;
        }
        self.kill();
        fs::remove_dir_all(self.data()).expect("etcd's data can be removed");
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

    /// Starts the process, without waiting for it.
    pub(super) fn launch(&self) {
        if let Some(container) = &self.container {
            return container.start();
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log can be opened");
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        let mut clients = format!("{scheme}://{}:{}", self.host, self.client_port);
        if self.gateway_port != self.client_port {
            clients = format!("{clients},http://127.0.0.1:{}", self.gateway_port);
        }
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let mut command = Command::new(&self.binary);
        command.arg(format!("--name={}", self.name)).arg("--data-dir").arg(self.data());
        command.arg(format!("--listen-client-urls={clients}")).arg(format!("--advertise-client-urls={clients}"));
        command.arg(format!("--listen-peer-urls={peer}")).arg(format!("--initial-advertise-peer-urls={peer}"));
        command.arg(format!("--initial-cluster={}", self.initial_cluster));
        command.arg(format!("--initial-cluster-token={}", self.token.lock().expect("not poisoned")));
        // One without others elects itself; the shorter that takes, the sooner a test begins.
        if !self.initial_cluster.contains(',') {
            command.args(["--heartbeat-interval=20", "--election-timeout=200"]);
        }
        if let Some(tls) = &self.options.tls {
            command.arg("--cert-file").arg(&tls.certificate).arg("--key-file").arg(&tls.key);
            if let Some(ca) = &tls.client_ca {
                command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(ca);
            }
        }
        command.args(&self.options.arguments).args(["--logger=zap", "--log-level=warn"]);
        // Settings of the machine's own etcd are not ours.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        *self.process() = Some(Process::start(&mut command));
    }

    async fn try_launch(&self) -> bool {
        self.launch();
        self.ready().await
    }

    /// Waits until it answers; `false` when it has ended instead.
    pub(super) async fn ready(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.gateway().is_healthy().await {
            if self.ended() {
                return false;
            }
            assert!(Instant::now() < deadline, "etcd did not answer within {PATIENCE:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
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

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().expect("not poisoned")
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        if self.container.is_none() {
            self.kill();
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
