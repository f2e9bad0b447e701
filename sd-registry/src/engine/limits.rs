//! How much is too much.

/// How much the centre takes, before it refuses. Each has a default for a machine of ordinary size.
///
/// What is registered already is never touched by a limit: it is renewed and updated as before. A front over another
/// registry counts the instances that it keeps itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Instances of one service. Default 50,000.
    pub instances_per_service: usize,
    /// Instances of all services. Default 200,000: about 150 MB.
    pub instances: usize,
    /// An instance as JSON, in bytes. Default 64 KiB; at most 1,000,000.
    pub value_bytes: usize,
    /// Watches at the same time. Default 20,000.
    pub watchers: usize,
    /// The body of a request, in bytes. Default 1 MiB.
    pub body_bytes: usize,
    /// Connections at the same time. Default 30,000.
    pub connections: usize,
    /// Connections of one client address at the same time. Default 30,000: behind a proxy or NAT, many share one.
    pub connections_per_client: usize,
    /// Requests of one client address per second, and twice as many at once. Default 20,000.
    pub requests_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instances_per_service: 50_000,
            instances: 200_000,
            value_bytes: 64 << 10,
            watchers: 20_000,
            body_bytes: 1 << 20,
            connections: 30_000,
            connections_per_client: 30_000,
            requests_per_second: 20_000,
        }
    }
}
