//! An etcd process of our own, on free ports, with its data in a temporary folder.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::harness::clock::Stopwatch;

/// The variable that names the etcd binary.
pub const BINARY: &str = "SD_TEST_ETCD";

/// A running etcd. It is killed, and its data is removed, when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    _data: TempDir,
}

impl Server {
    /// Starts one and waits until it answers; `None` if no binary is named.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(binary) = std::env::var_os(BINARY) else {
            return Ok(None);
        };
        let data = TempDir::with_prefix("sd-bench-etcd")?;
        let [port, peer_port] = free_ports()?;
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let process = Command::new(&binary)
            .arg("--data-dir")
            .arg(data.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{BINARY}={}", binary.display()))?;
        let mut server = Self { process, port, _data: data };
        server.wait_until_ready()?;
        Ok(Some(server))
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let url = url(self.port);
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.process.try_wait()? {
                bail!("etcd ended: {status}");
            }
            let answered = runtime.block_on(async {
                let mut client = etcd_client::Client::connect([&url], None).await.ok()?;
                tokio::time::timeout(Duration::from_secs(1), client.get("ready", None)).await.ok()?.ok()
            });
            if answered.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("etcd does not answer after 20 s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has already gone.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// How a client is told of a port on this machine.
#[must_use]
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_ports() -> anyhow::Result<[u16; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, two) = (listen()?, listen()?);
    Ok([one.local_addr()?.port(), two.local_addr()?.port()])
}
