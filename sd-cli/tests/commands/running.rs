//! `sdkit` as a process, and a centre for it to ask.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_core::{Backend, Instance, Registration, RegistrationHandle};
use sd_registry::{Centre, Registry};
use sd_testkit::samples::instance;
use sd_testkit::waiting::soon;
use serde_json::Value;
use tokio::process::{Child, Command};

/// `sdkit`, killed with its test, in an environment of which it knows nothing but its registry.
pub(crate) fn sdkit(registry: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sdkit"));
    command.args(arguments).env("SD_REGISTRY", registry).env_remove("RUST_LOG").env_remove("NO_COLOR");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// How it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end, which must come by itself.
pub(crate) async fn run(registry: &str, arguments: &[&str]) -> Ended {
    let output = soon("sdkit ends", sdkit(registry, arguments).output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// What it prints, which must be JSON, and all must be well.
pub(crate) async fn json(registry: &str, arguments: &[&str]) -> Value {
    let ended = run(registry, &[arguments, &["--output", "json"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Asks it to end: SIGTERM.
pub(crate) fn terminate(child: &Child) {
    signal(child, "TERM");
}

/// Sends it the signal of this name.
pub(crate) fn signal(child: &Child, name: &str) {
    let signal: Signal = format!("SIG{name}").parse().unwrap();
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), signal).unwrap();
}

/// An embedded centre, and a connection to it.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) registry: Arc<dyn Backend>,
    _centre: Centre,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let centre = Registry::builder().spawn().await.unwrap();
        let registry = sd_kit::connect(&centre.url()).unwrap();
        Self { url: centre.url(), registry, _centre: centre }
    }

    pub(crate) async fn register(&self, service: &str, instance: Instance) -> RegistrationHandle {
        soon("register", self.registry.register(Registration::new(service, instance))).await.unwrap()
    }

    /// Instances `a` and `b` of the service.
    pub(crate) async fn two(&self, service: &str) -> [RegistrationHandle; 2] {
        [self.register(service, instance("a", 1)).await, self.register(service, instance("b", 2)).await]
    }
}
