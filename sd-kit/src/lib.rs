//! One door: registries by URL, balancing, retries, and a server's life.
//!
//! [`connect`] turns a URL into a registry, [`Lifecycle`] runs a server that is found there, and the
//! [`prelude`] brings what most programs need. Which registries are compiled in is said by features: `etcd`, `consul`,
//! `zookeeper`, `registry` (`sd://`); `memory://`, `static://` and `file://` are always there.
//!
//! # Register
//!
//! ```
//! use sd_kit::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let registry = sd_kit::connect("memory://")?;
//! let here = Instance::new("127.0.0.1:50052".parse::<Address>()?).with_weight(2);
//! let registration = registry.register(Registration::new("book", here)).await?;
//! // … serve, and in the end let clients see that it goes …
//! registration.drain(Duration::from_millis(10)).await?;
//! # Ok(()) }
//! ```
//!
//! [`Lifecycle`] does that around a server, signals included.
//!
//! # Discover, balance and retry
//!
//! ```
//! use sd_kit::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let registry = sd_kit::connect("static://127.0.0.1:50052,127.0.0.1:50053")?;
//! let book = Client::builder(registry.subscribe(&"book".parse()?))
//!     .balancer(RoundRobin::new())
//!     .retry(Retry::attempts(3).within(Duration::from_secs(3)))
//!     .connect_with(factory_fn(|instance: Arc<Instance>| Ok::<_, Error>(instance.address().clone())))?;
//! let answer = book.run("hello", async |server, request| Ok::<_, Error>(format!("{request} to {}", *server))).await?;
//! # assert!(answer.starts_with("hello to 127.0.0.1:5005"), "{answer}");
//! # Ok(()) }
//! ```
//!
//! # Swap the registry by an environment variable
//!
//! ```
//! use sd_kit::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let url = std::env::var("SD_REGISTRY").unwrap_or_else(|_| "static://127.0.0.1:50052".to_owned());
//! let registry = sd_kit::connect(&url)?; // etcd://…, consul://…, zookeeper://…, file:///…: nothing else changes
//! let mut books = registry.subscribe(&"book".parse()?);
//! for instance in books.known().await.iter() {
//!     println!("{} at {}", instance.id(), instance.address());
//! }
//! # Ok(()) }
//! ```

pub mod advertise;
mod connect;
mod file;
mod fixed;
mod lifecycle;
pub mod prelude;
mod stop;
mod terminal;

pub use connect::{connect, drivers};
pub use file::FileDriver;
pub use fixed::StaticDriver;
pub use lifecycle::{Lifecycle, LifecycleError, LifecycleEvent, Phase, Readiness, Stopping};
pub use sd_core;
pub use sd_lb;
pub use stop::StopSignal;
