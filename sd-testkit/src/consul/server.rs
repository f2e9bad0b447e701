//! One Consul process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::gateway::ConsulGateway;
use super::options::ConsulOptions;
use crate::container::Container;
use crate::process::Process;
use crate::samples::random_word;
use crate::waiting::{PATIENCE, eventually};
use crate::{ports, skip};

/// One Consul agent, in a folder of its own. It is killed, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct ConsulServer {
    binary: PathBuf,
    folder: PathBuf,
    node: String,
    ports: Ports,
    options: ConsulOptions,
    process: Mutex<Option<Process>>,
    /// In place of a process.
    container: Option<Container>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    https: u16,
    server: u16,
    lan: u16,
    wan: u16,
}

impl ConsulServer {
    /// Starts one, and waits until it has a leader; `None` after having said that `test` is skipped.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, ConsulOptions::new()).await
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start_with(test: &str, options: ConsulOptions) -> Option<Self> {
        let binary = skip::server(super::VARIABLE, test)?;
        // Another test's server may take a port between choosing and binding it.
        for _ in 0..3 {
            let server = Self::prepared(&binary, options.clone());
            if server.try_launch().await {
                return Some(server);
            }
        }
        panic!("Consul came up on none of three choices of ports")
    }

    /// Around a container, which is awaited and emptied: all instances share the names of one catalog.
    pub(super) async fn in_container(container: Container) -> Self {
        let mut server = Self::prepared(Path::new(""), ConsulOptions::new());
        // As compose.yaml calls it.
        "consul".clone_into(&mut server.node);
        server.ports.http = container.address().port();
        server.container = Some(container);
        assert!(server.ready().await, "Consul has ended in its container: {}", server.log());
        for service in server.gateway().agent_services().await {
            server.gateway().deregister(service["ID"].as_str().expect("a service has an id")).await;
        }
        eventually("the catalog knows of nothing but Consul itself", async || {
            let answer = server.gateway().call("GET", "/v1/catalog/services", None).await;
            matches!(answer, Ok((200, Value::Object(services))) if services.keys().all(|name| name == "consul"))
        })
        .await;
        server
    }

    fn prepared(binary: &Path, options: ConsulOptions) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-testkit-consul-{}", random_word()));
        fs::create_dir(&folder).expect("a folder for Consul can be made");
        let ports = Ports {
            http: ports::free(),
            https: ports::free(),
            server: ports::free(),
            lan: ports::free(),
            wan: ports::free(),
        };
        let node = options.node.clone().unwrap_or_else(|| format!("node-{}", random_word()));
        Self { binary: binary.to_owned(), folder, node, ports, options, process: Mutex::new(None), container: None }
    }

    /// Where clients connect to, without TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.address().to_string()
    }

    /// Where clients connect to with TLS, when it was asked for.
    #[must_use]
    pub fn tls_endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.ports.https)
    }

    /// Where clients connect to, for a proxy.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.http).into()
    }

    /// The name of its node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    pub(super) fn lan_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.lan)
    }

    pub(super) fn wan_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.wan)
    }

    /// What acts on it behind a client's back, with every right.
    #[must_use]
    pub fn gateway(&self) -> ConsulGateway {
        ConsulGateway::new(self.address(), self.options.token.as_deref())
    }

    /// Ends it at once: kill -9.
    pub fn kill(&self) {
        if let Some(container) = &self.container {
            container.kill();
        } else if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Starts it again with its data, on the same ports, and waits until it has a leader.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart(&self) {
        self.kill();
        assert!(self.try_launch().await, "Consul has ended while starting: {}", self.log());
    }

    /// Starts it again without its data, and waits until it has a leader.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart_empty(&self) {
        if let Some(container) = &self.container {
            container.start_empty();
            assert!(self.ready().await, "Consul has ended while starting: {}", self.log());
            return;
        }
        self.kill();
        fs::remove_dir_all(self.data()).expect("Consul's data can be removed");
        self.restart().await;
    }

    /// Starts the process, and waits for nothing.
    pub fn launch(&self) {
        if let Some(container) = &self.container {
            return container.start();
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log can be opened");
        let mut command = Command::new(&self.binary);
        command.arg("agent").args(["-bind=127.0.0.1", "-client=127.0.0.1", "-log-level=warn"]);
        command.arg(format!("-node={}", self.node)).arg("-data-dir").arg(self.data());
        command.arg("-hcl").arg(self.configuration());
        match (&self.options.join, self.options.in_memory) {
            (Some(server), _) => command.arg(format!("-retry-join={server}")),
            (None, true) => command.arg("-dev"),
            (None, false) => command.args(["-server", "-bootstrap"]),
        };
        if let Some(server) = &self.options.join_wan {
            command.arg(format!("-retry-join-wan={server}"));
        }
        if let Some(name) = &self.options.datacenter {
            command.arg(format!("-datacenter={name}"));
        }
        for hcl in &self.options.configuration {
            command.arg("-hcl").arg(hcl);
        }
        command.args(&self.options.arguments);
        // Settings of the machine's own Consul are not ours.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CONSUL_")) {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        *self.process() = Some(Process::start(&mut command));
    }

    /// What every agent is told.
    fn configuration(&self) -> String {
        let Ports { http, https, server, lan, wan } = self.ports;
        let https = if self.options.tls.is_some() { i32::from(https) } else { -1 };
        let wan = if self.options.speaks_wan { i32::from(wan) } else { -1 };
        // A raft multiplier of 1 lets one without others elect itself within two seconds instead of ten; the host's own
        // id would be the same for all servers of this machine.
        let mut hcl = format!(
            "ports {{ http = {http} https = {https} server = {server} serf_lan = {lan} serf_wan = {wan} dns = -1 grpc = -1 }}
             performance {{ raft_multiplier = 1 }}
             disable_update_check = true
             disable_host_node_id = true
             enable_debug = false
             retry_interval = \"1s\"
             retry_interval_wan = \"1s\"\n"
        );
        if let Some(token) = &self.options.token {
            hcl += &format!(
                "primary_datacenter = \"{}\"
                 acl {{ enabled = true default_policy = \"deny\" enable_token_persistence = true
                        tokens {{ master = \"{token}\" agent = \"{token}\" }} }}\n",
                self.options.datacenter.as_deref().unwrap_or("dc1")
            );
        }
        if let Some(tls) = &self.options.tls {
            hcl += &format!("cert_file = {:?}\nkey_file = {:?}\n", tls.certificate, tls.key);
            if let Some(ca) = &tls.client_ca {
                hcl += &format!("ca_file = {ca:?}\nverify_incoming_https = true\n");
            }
        }
        hcl
    }

    async fn try_launch(&self) -> bool {
        self.launch();
        self.ready().await
    }

    /// Waits until it has a leader and stands in its own catalog; `false` when it has ended instead.
    ///
    /// # Panics
    /// When neither comes about.
    pub async fn ready(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.gateway().is_ready(&self.node).await {
            if self.ended() {
                return false;
            }
            assert!(Instant::now() < deadline, "Consul was not ready within {PATIENCE:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
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

impl Drop for ConsulServer {
    fn drop(&mut self) {
        if self.container.is_none() {
            self.kill();
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
