//! Calling a service that has many instances: policies, the balanced service, retry with a budget.
//!
//! | what | for |
//! |---|---|
//! | [`Client`] | most programs: endpoints, policy and retry in one value |
//! | [`BoxClient`] | the same, with nothing but request and response in its type |
//! | [`Balanced`] | a `tower::Service` over an endpointer, without retry |
//! | [`Retrying`] | a `tower::Service`, and a closure form for generated clients; made by [`Retry`] |
//! | [`RoundRobin`], [`Random`] | whom to call |
//! | [`Changes`], `Discovered` (feature `discover`) | following a service as a stream, or with tower's own balancer |

mod balanced;
mod balanced_future;
mod box_client;
mod budget;
mod call_error;
mod changes;
mod client;
mod client_builder;
mod counted;
#[cfg(feature = "discover")]
mod discover;
mod drive;
mod form;
mod modulus;
mod policy;
mod progress;
mod random;
mod retry;
mod retry_error;
mod retrying;
mod round_robin;
mod service_call;
mod untried;
mod wait;

pub use balanced::Balanced;
pub use balanced_future::BalancedFuture;
pub use box_client::{BoxCall, BoxClient};
pub use budget::Budget;
pub use call_error::{BoxedError, CallError};
pub use changes::{Changed, Changes};
pub use client::Client;
pub use client_builder::ClientBuilder;
pub use counted::{Counted, CountedFuture};
#[cfg(feature = "discover")]
pub use discover::Discovered;
pub use policy::{Never, RetryErrors, RetryIf, RetryPolicy, Verdict};
pub use random::Random;
pub use retry::Retry;
pub use retry_error::{Attempt, GaveUp, RetryError};
pub use retrying::{RetryFuture, Retrying};
pub use round_robin::RoundRobin;
