//! compose.yaml brought up as a project of its own, and always taken down.

pub(crate) mod checks;
mod program;
pub(crate) mod suites;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::images::Images;
use crate::workspace::Workspace;
use crate::{docker, process};

/// The host ports that compose.yaml asks for.
const PORTS: [&str; 6] =
    ["SD_ETCD_PORT", "SD_CONSUL_PORT", "SD_ZOOKEEPER_PORT", "SD_ETCD_1_PORT", "SD_ETCD_2_PORT", "SD_ETCD_3_PORT"];

/// Taking down is for whatever profile was brought up.
const PROFILES: [&str; 2] = ["book", "cluster"];

/// How long containers may take until they are healthy, on a machine that is busy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(500);

/// One run of compose.yaml: names, ports and volumes of its own. It is taken down when this is dropped.
#[derive(Debug)]
pub(crate) struct Project {
    /// The program and its arguments up to the subcommand.
    words: Vec<String>,
    name: String,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Project {
    /// Brings nothing up yet.
    pub(crate) fn new(workspace: &Workspace, purpose: &str, images: &Images) -> Result<Self> {
        outlive_interruption()?;
        let mut variables: Vec<_> =
            images.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        for (name, port) in PORTS.into_iter().zip(free_ports()?) {
            variables.push((name.to_owned(), port.to_string()));
        }
        let name = format!("sd-{purpose}-{}", std::process::id());
        let file = workspace.root.join("compose.yaml");
        let file = file.to_str().context("the workspace's path is not UTF-8")?;
        let mut words = program::find()?;
        words.extend(["--project-name", &name, "--file", file].map(str::to_owned));
        Ok(Self { words, name, folder: workspace.root.clone(), variables })
    }

    /// Sets or replaces a variable that compose.yaml reads.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Compose with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        for profile in PROFILES {
            command.args(["--profile", profile]);
        }
        command.args(arguments).current_dir(&self.folder);
        self.tell(&mut command);
        command
    }

    /// Tells a command what compose is told.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// The program and its arguments up to the subcommand.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Starts these services, and waits until all are healthy.
    pub(crate) fn up(&self, services: &[&str]) -> Result<()> {
        process::capture(self.command(&["up", "--detach"]).args(services))?;
        self.healthy(services)
    }

    fn healthy(&self, services: &[&str]) -> Result<()> {
        let mut waited = Duration::ZERO;
        for service in services {
            loop {
                let health = self.health(service)?;
                match health.as_str() {
                    "healthy" => break,
                    "starting" if waited < HEALTHY_WITHIN => {}
                    other => {
                        bail!("{service} is {other} after {} s:\n{}", waited.as_secs(), self.logs(service)?);
                    }
                }
                thread::sleep(POLL);
                waited += POLL;
            }
        }
        Ok(())
    }

    fn health(&self, service: &str) -> Result<String> {
        let format = "{{if eq .State.Status \"running\"}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}";
        let container = self.container(service)?;
        let health = process::capture(Command::new("docker").args(["inspect", "--format", format, &container]))?;
        Ok(health.trim().to_owned())
    }

    /// The id of a service's container.
    pub(crate) fn container(&self, service: &str) -> Result<String> {
        let ids = process::capture(&mut self.command(&["ps", "--all", "--quiet", service]))?;
        let id = ids.lines().next().with_context(|| format!("{service} has no container"))?;
        Ok(id.to_owned())
    }

    /// All that a service has printed.
    pub(crate) fn logs(&self, service: &str) -> Result<String> {
        // Docker's own `logs` adds neither names nor colours.
        let container = self.container(service)?;
        let output = Command::new("docker").args(["logs", &container]).output().context("could not start `docker`")?;
        Ok([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let down = process::capture(&mut self.command(&["down", "--volumes", "--remove-orphans", "--timeout=1"]));
        if let Err(error) = down {
            eprintln!("containers of {} may be left: {error:#}", self.name);
        }
    }
}

/// Why nothing of compose can be tried on this machine.
pub(crate) fn what_is_missing() -> Option<String> {
    if cfg!(not(target_os = "linux")) {
        return Some("the images are made of programs of this machine, which is no Linux".to_owned());
    }
    if !docker::runs() {
        return Some("no Docker daemon answers".to_owned());
    }
    program::find().err().map(|error| error.to_string())
}

/// Lets us outlive Ctrl-C until the containers are down. The terminal tells our children too, and they end.
fn outlive_interruption() -> Result<()> {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static HANDLES: Once = Once::new();
    let mut installed = Ok(());
    HANDLES.call_once(|| {
        installed = ctrlc::set_handler(|| {
            INTERRUPTED.store(true, Ordering::Relaxed);
            eprintln!("interrupted: taking the containers down …");
        });
    });
    installed.context("could not handle Ctrl-C")?;
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// As many ports as compose.yaml publishes, each free at this moment.
///
/// Below what Linux hands out to outgoing connections: one of those could take the port of a container that is being
/// restarted.
fn free_ports() -> Result<Vec<u16>> {
    // Runs side by side start their search at different places.
    let start = 15_000 + u16::try_from(std::process::id() % 15_000).unwrap_or_default();
    let free: Vec<_> = (start..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(6).collect();
    if free.len() < PORTS.len() {
        bail!("no {} ports from {start} to 32000 are free", PORTS.len());
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_port_that_is_published_can_be_chosen() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(root.join("compose.yaml")).unwrap();
        let published: Vec<_> =
            text.lines().filter_map(|line| Some(line.split_once("127.0.0.1:${")?.1.split_once(":-")?.0)).collect();
        assert_eq!(published.len(), text.matches("ports:").count(), "{published:?}");
        assert!(published.iter().all(|name| PORTS.contains(name)), "{published:?}");
        assert_eq!(published.len(), PORTS.len());
    }

    #[test]
    fn free_ports_are_as_many_as_are_asked_for() {
        assert_eq!(free_ports().unwrap().len(), PORTS.len());
    }
}
