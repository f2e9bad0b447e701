//! The centre as a backend: `sd://host:port[,host:port]?option=value`.
//!
//! One HTTP/2 connection carries a program's registrations and watches (a further one for every 64 watches), to one
//! host at a time; the others stand in for it. One heartbeat renews all registrations of a connection with one request.
//!
//! ```no_run
//! # use sd_core::{Address, Instance, Registrar, Registration};
//! # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
//! let registry = sd_registry::RegistryConfig::new(["127.0.0.1:7070"]).connect()?;
//! let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
//! let handle = registry.register(Registration::new("book", instance)).await?;
//! # handle.deregister().await
//! # }
//! ```
//!
//! # How soon trouble is noticed
//! * A host that refuses: at once; one that is mute: after the request timeout (5 s), or 15 s where nothing but a watch
//!   is open. The next attempt goes to another host; the healthy ones are preferred, and a sick one is tried again when
//!   the others are in trouble.
//! * An entry that is gone or was taken by a newer registrant: at the next heartbeat (a third of the TTL); at once where
//!   this connection watches the service too; within about a second of a broken connection, as after a restart.
//! * A centre that answers no more: when the TTL has passed since the last heartbeat that was answered.
//! * A watch that silently died: after 15 s by HTTP/2's pings, or 25 s without a word of the centre, which says one at
//!   least every 10 s.

mod admin;
mod catalog;
mod config;
mod config_check;
mod config_url;
mod credentials;
mod dial;
mod driver;
mod error;
mod events;
mod feed;
mod heartbeat;
mod holding;
mod holdings;
mod pool;
mod probe;
mod register;
mod registry;
mod session;
mod watch;
mod wire;

pub use config::RegistryConfig;
pub use driver::RegistryDriver;
