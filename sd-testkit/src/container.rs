//! A server that is a container of compose.yaml's project, where `cargo xtask test --compose` has brought one up.
//!
//! The tests of all processes share it, so they have to run one at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

/// The compose command that the project was brought up with, up to its subcommand: a word on each line.
const VARIABLE: &str = "SD_TEST_COMPOSE";

/// One service's container. It outlives the tests.
#[derive(Debug)]
pub(crate) struct Container {
    service: &'static str,
    compose: Vec<String>,
    address: SocketAddr,
}

impl Container {
    /// The container of `service`, whose port on this host `port_variable` tells; `None` where tests are to start
    /// processes of their own. It runs, whatever state the test before has left it in.
    ///
    /// # Panics
    /// When compose or Docker fails, or when the variable names no port.
    pub(crate) fn of(service: &'static str, port_variable: &str) -> Option<Self> {
        let words = std::env::var(VARIABLE).ok().filter(|words| !words.is_empty())?;
        let port = std::env::var(port_variable).ok().and_then(|port| port.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("with {VARIABLE}, {port_variable} has to name a port"));
        let container = Self {
            service,
            compose: words.lines().map(str::to_owned).collect(),
            address: (Ipv4Addr::LOCALHOST, port).into(),
        };
        match container.state().as_str() {
            "running" => {}
            "paused" => container.resume(),
            _ => container.start(),
        }
        Some(container)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it with SIGKILL; its data stays.
    pub(crate) fn kill(&self) {
        // It may have ended already.
        if self.state() == "running" {
            self.docker(&["kill"]);
        }
    }

    /// Starts it with the data it had, on the port it had.
    pub(crate) fn start(&self) {
        self.docker(&["start"]);
    }

    /// Starts another in its place, with empty volumes.
    pub(crate) fn start_empty(&self) {
        let mut up = self.compose();
        up.args(["up", "--detach", "--no-deps", "--force-recreate", "--renew-anon-volumes", self.service]);
        output_of(&mut up);
    }

    /// Lets its processes stand still, connections open.
    pub(crate) fn pause(&self) {
        self.docker(&["pause"]);
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        self.docker(&["unpause"]);
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        !["running", "paused", "restarting"].contains(&self.state().as_str())
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        let mut logs = Command::new("docker");
        logs.args(["logs", &self.id()]);
        logs.output().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default()
    }

    fn state(&self) -> String {
        self.docker(&["inspect", "--format", "{{.State.Status}}"])
    }

    fn docker(&self, arguments: &[&str]) -> String {
        output_of(Command::new("docker").args(arguments).arg(self.id()))
    }

    /// Asked for each time: one that was started empty is another.
    fn id(&self) -> String {
        let ids = output_of(self.compose().args(["ps", "--all", "--quiet", self.service]));
        ids.lines().next().unwrap_or_else(|| panic!("{} has no container", self.service)).to_owned()
    }

    fn compose(&self) -> Command {
        let (program, arguments) = self.compose.split_first().expect("it is not empty");
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }
}

fn output_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
