//! The settings of checks.

use std::time::Duration;

use sd_core::Secret;

use crate::config::{CheckKind, ConsulConfig};
use crate::definition::Status;

impl ConsulConfig {
    /// What tells Consul whether an instance works. Default: this process does, within the TTL.
    #[must_use]
    pub fn check(mut self, kind: CheckKind) -> Self {
        self.check.kind = kind;
        self
    }

    /// What the agent asks: a whole URL for HTTP, `host:port` for TCP, `host:port/service` for gRPC. The same for all
    /// instances of this connection. Default: the instance's own address, with [`check_path`](Self::check_path).
    #[must_use]
    pub fn check_url(mut self, url: impl Into<String>) -> Self {
        self.check.url = Some(url.into());
        self
    }

    /// The path that the agent asks at the instance's address, `/` by default; for gRPC the service's name.
    #[must_use]
    pub fn check_path(mut self, path: impl Into<String>) -> Self {
        self.check.path = Some(path.into());
        self
    }

    /// How often the agent asks: at least 1 s. Default 10 s.
    #[must_use]
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.check.rhythm.interval = interval;
        self
    }

    /// How long the answer may take. Default 5 s.
    #[must_use]
    pub fn check_timeout(mut self, timeout: Duration) -> Self {
        self.check.rhythm.timeout = timeout;
        self
    }

    /// The HTTP method that the agent uses. Default GET.
    #[must_use]
    pub fn check_method(mut self, method: impl Into<String>) -> Self {
        self.check.method = Some(method.into());
        self
    }

    /// A header that the agent sends; may be said several times. In a URL `check_header=Name:value`. Consul shows it to
    /// whoever may read the agent's configuration.
    #[must_use]
    pub fn check_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.check.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Takes a check as passing until the agent has asked for the first time. Default false: down until then, as Consul
    /// has it. A TTL check begins as passing in any case.
    #[must_use]
    pub fn check_passing(mut self, passing: bool) -> Self {
        self.check.initial = if passing { Status::Passing } else { Status::Critical };
        self
    }

    /// Consul takes a registration away that has been critical for this long: at least 1 min, which is Consul's own
    /// limit. Default 10 min. Consul looks every 30 s.
    #[must_use]
    pub fn deregister_after(mut self, time: Duration) -> Self {
        self.check.deregister_after = time;
        self
    }

    /// The weight of an instance while one of its checks warns: 0 to 65,535. Default 1, as Consul's.
    #[must_use]
    pub fn warning_weight(mut self, weight: u32) -> Self {
        self.warning_weight = weight;
        self
    }
}
