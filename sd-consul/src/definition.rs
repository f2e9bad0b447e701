//! What an agent is told of a service, and what it tells: small types of our own, whatever client carries them.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_core::Secret;

/// A service as it is registered with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Unique on the agent.
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) tags: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) weights: Weights,
    pub(crate) check: Check,
}

/// Shares of calls while the checks pass, and while one of them warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) passing: u32,
    pub(crate) warning: u32,
}

/// The check that a service is registered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) probe: Probe,
    pub(crate) initial: Status,
    pub(crate) deregister_after: Duration,
}

/// What tells whether a service works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Its owner says so, within every such time.
    Ttl(Duration),
    /// Consul asks a URL. A header may hold what lets it in.
    Http { url: String, method: Option<String>, headers: Vec<(String, Secret)>, every: Rhythm },
    /// Consul connects to `host:port`.
    Tcp { target: String, every: Rhythm },
    /// Consul asks the gRPC health service at `host:port` or `host:port/service`.
    Grpc { target: String, every: Rhythm },
}

/// How often Consul asks, and how long the answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rhythm {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Passing,
    Warning,
    Critical,
}

impl Status {
    /// Consul's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// A word that we do not know is no good sign.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "passing" => Self::Passing,
            "warning" => Self::Warning,
            _ => Self::Critical,
        }
    }
}

/// A service as the agent has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentService {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) address: String,
    pub(crate) port: u16,
    /// Changes when the service does; empty where the agent did not say.
    pub(crate) hash: String,
}
