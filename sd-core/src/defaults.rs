//! Every default and limit, in one place; the README's table is tested against this file.

use std::time::Duration;

/// How long a registration outlives a registrant that went silent (etcd, Consul, our registry; ZooKeeper's session).
pub const TTL: Duration = Duration::from_secs(10);
/// The longest TTL that may be asked for.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// A registration is renewed this many times per TTL.
pub const BEATS_PER_TTL: u32 = 3;
/// Share by which a heartbeat's interval is spread, so that many registrants do not beat together.
pub const BEAT_JITTER: f64 = 0.10;
/// Bound on establishing a connection to a registry.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bound on one request to a registry.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// First step of the backoff.
pub const BACKOFF_BASE: Duration = Duration::from_millis(200);
/// Longest step of the backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// The first retry after a break is spread evenly over this time.
pub const FIRST_RETRY_SPREAD: Duration = Duration::from_secs(1);
/// The backoff starts from its base again only after so long a time without trouble.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// A watch without subscribers is kept for this long.
pub const LINGER: Duration = Duration::from_secs(30);
/// How often a watched set is compared with the registry, spread by [`AUDIT_JITTER`].
pub const AUDIT_INTERVAL: Duration = Duration::from_secs(600);
/// Share by which the audit's interval is spread.
pub const AUDIT_JITTER: f64 = 0.20;
/// A set that was read again and lacks more than this share of what was known is held.
pub const HOLD_SHARE: f64 = 0.5;
/// A set that is held is held at least this long, or three TTLs where that is longer.
pub const HOLD_GRACE: Duration = Duration::from_secs(30);
/// No hold lasts longer than this, however often it is renewed.
pub const HOLD_AGE_LIMIT: Duration = Duration::from_secs(300);
/// Bound on making a connection to an instance.
pub const INSTANCE_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections to an instance that break one after the other, none lasting for so long, are made anew with backoff.
pub const INSTANCE_SETTLED: Duration = Duration::from_secs(5);
/// How long an explicit deregistration tries when the registry doesn't answer.
pub const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts of a call, the first included.
pub const RETRY_ATTEMPTS: u32 = 3;
/// Total time of a call with all its attempts.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(3);
/// Shortest pause before a third attempt and later; the second goes out at once.
pub const RETRY_BACKOFF_BASE: Duration = Duration::from_millis(25);
/// Longest pause between attempts.
pub const RETRY_BACKOFF_MAX: Duration = Duration::from_millis(250);
/// Share of calls that may be retried.
pub const RETRY_BUDGET_SHARE: f64 = 0.20;
/// Retries per second that are always allowed.
pub const RETRY_BUDGET_PER_SECOND: u32 = 10;
/// The time over which the retry budget is counted.
pub const RETRY_BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// How long a stopping service lets its clients see that it drains.
pub const DRAIN: Duration = Duration::from_secs(5);
/// How long requests may take to finish once a stopping service has left its registry.
pub const FINISH: Duration = Duration::from_secs(20);
/// How often a file of services is looked at.
pub const FILE_POLL: Duration = Duration::from_secs(1);
/// The largest file of services, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// The most instances that a file of services may hold.
pub const MAX_FILE_INSTANCES: usize = 100_000;
/// The weight of an instance that says none.
pub const WEIGHT: u32 = 1;
/// The largest weight: what every registry can carry (Consul's limit).
pub const MAX_WEIGHT: u32 = 65_535;
/// The longest instance id, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// The longest service name, in bytes.
pub const MAX_SERVICE_BYTES: usize = 128;
/// The largest value that is written to a registry, in bytes: ZooKeeper's limit, less room for the request around it.
pub const MAX_VALUE_BYTES: usize = 1_000_000;
/// Connections to instances that are being made at the same time, per endpointer.
pub const MAX_CONNECTING: usize = 256;
