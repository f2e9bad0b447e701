//! Consul as a service registry.
//!
//! `consul://host:port?option=value`, or [`ConsulConfig`], which has the same names. An instance stands with the agent as
//! a service of its own, under the id `{service}:{id}`, with its name, tags, address, port, weight and metadata where
//! Consul has a place for them, and the rest (owner, zone, health, named ports, odd or long metadata) under keys that
//! begin with `sd-`. What other programs registered is read too, each at its address.
//!
//! ```no_run
//! # use sd_core::{Address, Instance, Registrar, Registration};
//! # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
//! let registry = sd_consul::ConsulConfig::new("127.0.0.1:8500").connect()?;
//! let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
//! let handle = registry.register(Registration::new("book", instance)).await?;
//! # handle.deregister().await
//! # }
//! ```
//!
//! # What tells whether an instance works
//! * `check=ttl`, the default: this process says so three times per TTL, one request per instance. When it falls silent
//!   for a TTL, the instance is critical: readers see it as *down*, not as gone.
//! * `check=http|tcp|grpc`: the agent asks the instance itself. It is down until the first answer (`check_passing=true`:
//!   up); this process only sees to it that the registration still stands.
//! * Either way, Consul takes away what has been critical for `deregister_after` (10 min; it knows none below 1 min).
//! * Readers see `critical` as down, maintenance as draining, and `warning` as up with the weight that the instance has
//!   for that (`warning_weight`). A drain, or a health that is not up, is written as maintenance too, so that readers that
//!   know nothing of us leave the instance alone.
//!
//! # Who wins an id
//! The newest registrant on an agent: the owner is part of the check's id, and registering replaces the checks, so that
//! the older one's next heartbeat is refused. An agent knows no compare-and-swap; in the fraction of a millisecond between
//! reading whose an entry is and writing it, another may come, and who loses by that notices at the next heartbeat. On
//! two agents one id may stand twice; readers take the one that works, then the newer.
//!
//! # How soon trouble is noticed
//! * An agent that died: at once, by the blocking query that is open on one of our own entries. When it answers again,
//!   with or without its data, everything is back within about 2 s; after an outage longer than the TTL, within 10 s.
//! * An entry that was taken away or taken over: at the next heartbeat, a third of the TTL; a single instance's at once.
//! * An agent that is mute: after a third of the TTL or the request timeout (5 s), whichever is shorter, for heartbeats;
//!   for watches after `wait` × 17/16 + 2.5 s: 66 s by default.
//! * An index that goes back, a set that is empty all at once: read anew, and held as
//!   [`StalenessPolicy`](sd_core::StalenessPolicy) says. An empty answer is believed when Consul says that the token may
//!   read the service; else it is an `Unauthorized` error, since Consul itself makes no difference.
//!
//! # What it costs
//! Eight requests at a time and one open query per connection, however many instances it registers, and one open query
//! per watched service: Consul cuts a client off that has 200 connections. Every change of a service sends all of it
//! again (20 MB for 10,000 instances); a watch pauses for three times as long as reading took, at most 1 s. A service without instances is woken
//! by every change elsewhere; a watch then asks ever less often, up to once a second.
//!
//! # The client beneath
//! consulrs 0.1, which stands on reqwest 0.11, hyper 0.14 and rustls 0.21, and needs OpenSSL's headers to build though
//! nothing here speaks TLS with it (the feature `vendored-openssl` builds its own). All that knows of it is the module
//! `client`; to leave it, rewrite that folder on another HTTP client, with eight requests to carry over.

mod admin;
mod catalog;
mod check;
mod client;
mod config;
mod config_check;
mod config_of_checks;
mod config_url;
mod definition;
mod driver;
mod entry;
mod error;
mod heartbeat;
mod holdings;
mod layout;
mod overflow;
mod polling;
mod probe;
mod register;
mod registry;
mod sentinel;
mod turns;
mod watch;

pub use config::{CheckKind, Consistency, ConsulConfig};
pub use driver::ConsulDriver;
