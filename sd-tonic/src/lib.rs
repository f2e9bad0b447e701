//! gRPC on any registry: target URIs to balanced channels for generated tonic clients, and a tonic server's life.
//!
//! ```
//! use sd_core::{Drivers, MemoryDriver};
//! use sd_tonic::{ServiceConfig, Targets};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
//! let targets = Targets::new().drivers(Drivers::new().with(MemoryDriver::default())); // or sd_kit::drivers()
//! let channel = targets
//!     .channel("memory:///book")?
//!     .service_config(ServiceConfig::from_json(r#"{"loadBalancingPolicy": "round_robin"}"#)?)
//!     .connect()?;
//! // let mut client = BookServiceClient::new(channel);
//! # Ok(()) }
//! ```
//!
//! | what | for |
//! |---|---|
//! | [`Targets`] | which scheme of a target URI means which registry |
//! | [`Channel`] | what generated clients take |
//! | [`ServiceConfig`], [`MethodConfig`], [`RetryRule`] | what holds for which method; also gRPC's JSON |
//! | `RegisteredServer` (feature `server`) | a tonic server that is found while it serves |
//! | `balance_channel` (feature `balance`) | tonic's own balanced channel, fed from a registry |
//! | [`Connector`] | how connections are made: keep-alive, authority, `Tls` (feature `tls`); a factory for `sd-lb` |

#[cfg(feature = "balance")]
mod balance;
mod call;
mod channel;
mod channel_builder;
mod completion;
mod connection;
mod connector;
mod deadline;
mod destination;
mod dial;
mod driving;
mod failure;
mod greeting;
mod message;
mod method_config;
mod nobody;
mod policies;
mod request_body;
mod response_body;
#[cfg(feature = "server")]
mod server;
mod service_config;
mod shared;
mod target;
mod targets;
mod throttle;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "balance")]
pub use balance::{BalanceFeed, balance_channel, plain_endpoint};
pub use channel::{Channel, ResponseFuture};
pub use channel_builder::ChannelBuilder;
pub use completion::AtStreamEnd;
pub use connection::Connection;
pub use connector::Connector;
pub use method_config::{MethodConfig, RetryRule};
pub use policies::Policies;
pub use response_body::ResponseBody;
#[cfg(feature = "server")]
pub use server::{RegisteredServer, ServeError};
pub use service_config::ServiceConfig;
pub use targets::Targets;
#[cfg(feature = "tls")]
pub use tls::Tls;
