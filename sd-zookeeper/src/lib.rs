//! ZooKeeper as a service registry.
//!
//! `zookeeper://host:2181,host:2181/chroot?option=value`, or [`ZooKeeperConfig`], which has the same names. An instance
//! is an ephemeral node `{chroot}/{service}/{id}` below persistent ones; one session per connection carries all its
//! registrations and watches, and is made anew as one when it is lost.
//!
//! ```no_run
//! # use sd_core::{Address, Instance, Registrar, Registration};
//! # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
//! let registry = sd_zookeeper::ZooKeeperConfig::new(["127.0.0.1:2181"]).connect()?;
//! let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
//! let handle = registry.register(Registration::new("book", instance)).await?;
//! # handle.deregister().await
//! # }
//! ```
//!
//! # How soon trouble is noticed
//! * A connection that breaks: at once; a server that is mute: after two fifths of the session's timeout. Every watched
//!   set is stale from then on, and is watched and read whole again once the connection is back. Registrations stand for
//!   as long as the session does.
//! * A session that is lost: when ZooKeeper says so at the next connection, or when there was none for as long as the
//!   session lasts. Then there is a new one, and everything is registered in it again.
//! * An entry that was deleted, or taken by a newer registrant: at once, by a watch on its node. When nothing happens,
//!   a session sends nothing but pings, however many registrations and watches it carries.
//! * A provider that died: when its session's timeout has passed, and at most a tick of the server's later. Between four
//!   and seven fifths of that time it may have lost its connection and not know yet that others see it gone.
//!
//! # Who wins an id
//! The newest registrant of this library, as everywhere: the other becomes `Superseded`. A node that bears no owner of
//! ours is another program's; it is taken over when it says the same address (a predecessor's, whose session has not
//! ended yet), or when both are plain. Otherwise it is a conflict: tried again until the session's timeout has passed,
//! and then a refusal.
//!
//! # Names
//! Ids stand in node names as they are. What ZooKeeper refuses there (`.` and `..`, U+E000 to U+F8FF, U+FFF0 and above)
//! and `%` itself stand percent-encoded, as in URLs.
//!
//! # What is read
//! Entries of this library, plain addresses (go-kit's registrar and other Go programs write those, under any name), and
//! the JSON of Curator's service discovery, Spring Cloud's included: its `port` with `sslPort` beside it as port `ssl`,
//! `enabled: false` as down, texts in its payload as metadata.
//!
//! # Limits
//! A value has at most 1,000,000 bytes; no request is larger than ZooKeeper's default `jute.maxbuffer` (1 MiB). Lists are
//! read in answers of about half a MiB. The server names all children of a node in one answer: 10,000 instances of one
//! service are well tried. Only ZooKeeper 3.8 was tried. For servers before 3.6, which know no persistent watches, there
//! are one-shot watches (`watches=oneshot`; by itself, when the server refuses the others): a watch per instance. No such
//! server could be had, so this was tried against 3.8; servers before 3.5 lack a request that registering needs.
//!
//! The client logs by itself, under the target `zookeeper_client`: at `info` and `warn` whenever a connection comes or goes,
//! and at `debug` every request.
//!
//! TLS needs a `ca`, as the client trusts no authority by itself, and the certificate must bear the host as written. The
//! process's default cryptography for rustls is set to aws-lc-rs when TLS is first used and the program has chosen none.

mod admin;
mod ask;
mod catalog;
mod config;
mod config_check;
mod config_url;
mod credentials;
mod dial;
mod driver;
mod entry;
mod error;
mod feed;
mod holdings;
mod neighbours;
mod node;
mod oneshot;
mod paths;
mod probe;
mod read;
mod register;
mod registry;
mod remnants;
mod session;
mod sessions;
mod tls;
mod tree;
mod view;
mod watch;

pub use config::{NodeAccess, WatchMode, ZooKeeperConfig};
pub use driver::ZooKeeperDriver;
