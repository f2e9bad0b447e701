//! etcd as a service registry.
//!
//! `etcd://[user:password@]host:2379,host:2379/prefix?option=value`, or [`EtcdConfig`], which has the same names. An
//! instance stands under `{prefix}/{service}/{id}`, held by a lease that all registrations of a connection share; a
//! service is read once and then watched from that revision on.
//!
//! ```no_run
//! # use sd_core::{Address, Instance, Registrar, Registration};
//! # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
//! let registry = sd_etcd::EtcdConfig::new(["127.0.0.1:2379"]).connect()?;
//! let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
//! let handle = registry.register(Registration::new("book", instance)).await?;
//! # handle.deregister().await
//! # }
//! ```
//!
//! # How soon trouble is noticed
//! * An endpoint that refuses: at once; one that is mute: after the request timeout (5 s), or 15 s for a watch that
//!   nobody else uses. The next attempt goes to another endpoint; the healthy ones are preferred.
//! * A lease that is lost: at the next heartbeat (a third of the TTL); at the latest when the TTL has passed without an
//!   answered heartbeat.
//! * An entry that was deleted or taken by a newer registrant: at the next heartbeat. One request per heartbeat asks
//!   etcd which keys hang on the lease, so its cost grows with the keys of this process, not with those of the service.
//! * A watch that silently died: after 10 s of silence the server is asked for a sign of life, and has 5 s to give it.

mod act;
mod admin;
mod audit;
mod catalog;
mod config;
mod config_check;
mod config_url;
mod credentials;
mod dial;
mod driver;
mod error;
mod feed;
mod heartbeat;
mod holdings;
mod layout;
mod lease;
mod list;
mod neighbours;
mod pool;
mod probe;
mod register;
mod registry;
mod view;
mod watch;

pub use config::EtcdConfig;
pub use driver::EtcdDriver;
