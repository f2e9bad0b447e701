//! Where a measurement was taken.

use serde::Serialize;

/// The machine and the compiler: numbers are comparable within one run only.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The compiler, as `rustc --version` says it.
    pub rustc: String,
    /// The load average when the run began: others who share the cores.
    pub load: String,
}

impl Machine {
    /// Looks around.
    #[must_use]
    pub fn look() -> Self {
        let unknown = || String::from("unknown");
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(": ")?.1.to_owned())
        });
        let load = std::fs::read_to_string("/proc/loadavg").ok();
        let rustc = std::process::Command::new("rustc").arg("--version").output();
        let rustc =
            rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned());
        Self {
            cpu: cpu.unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            rustc: rustc.unwrap_or_else(unknown),
            load: load.map_or_else(unknown, |text| text.trim().to_owned()),
        }
    }
}
