//! Service discovery: who is there, how to be there, and whom to call.
//!
//! Four traits: a [`Registrar`] keeps an instance registered, an [`Instancer`] tells who is registered, an
//! [`Endpointer`] turns instances into live services, a [`Balancer`] makes the [`Picker`] that chooses one of them per
//! request. A registry is reached through a [`Backend`], made from a URL by [`Drivers`]; who writes a backend
//! implements [`Registry`] and gets all supervision from [`Connection`].

mod address;
mod admin;
mod admission;
mod backend;
mod backoff;
mod balancer;
mod catalog;
mod cell;
mod chunked;
mod codec;
mod completion;
mod connection;
pub mod defaults;
mod delta;
mod driver;
mod endpointer;
mod endpoints;
mod error;
mod factory;
mod filter;
mod instance;
mod instancer;
mod keeper;
mod load;
mod members;
mod memory;
mod options;
mod outage;
mod pause;
mod probe;
mod publisher;
mod randomness;
mod registrar;
mod registration;
mod registry;
mod registry_url;
mod secret;
mod service;
mod snapshot;
mod staleness;
mod subscription;
mod turns;
mod updater;
mod watcher;

pub use address::Address;
pub use admin::Admin;
pub use admission::LeftOut;
pub use backend::Backend;
pub use backoff::Backoff;
pub use balancer::{Balancer, PickContext, PickRequest, Picker};
pub use catalog::{Catalog, CatalogPublisher, CatalogSnapshot, CatalogSubscription};
pub use cell::{EndpointCell, EndpointHandle, EndpointsGuard};
pub use codec::{Codec, Entry, Owner, UnknownFields};
pub use completion::{AtHead, Completion};
pub use connection::{Connection, ConnectionBuilder};
pub use delta::Delta;
pub use driver::{Driver, Drivers};
pub use endpointer::{DefaultEndpointer, Endpointer, EndpointerBuilder, FixedEndpointer};
pub use endpoints::{Endpoints, NoEndpoints, Picked};
pub use error::{BoxError, Error, ErrorKind};
pub use factory::{Connecting, Factory, async_factory_fn, factory_fn};
pub use filter::Filter;
pub use instance::{Health, Instance, check_id};
pub use instancer::{FixedInstancer, Instancer};
pub use load::{InstanceKey, Load, Outcome, Ticket};
pub use members::{Member, Members};
pub use memory::{MemoryDriver, MemoryRegistry};
pub use options::Options;
pub use outage::ConnectionCounters;
pub use probe::{Probe, ProbeReport};
pub use publisher::{Change, Cursor, Publisher};
pub use randomness::{Randomness, SeededRandomness, ThreadRandomness, default_randomness, spread};
pub use registrar::{Registrar, Registration, RegistrationState};
pub use registration::RegistrationHandle;
pub use registry::{Grant, Lost, Record, Registry};
pub use registry_url::RegistryUrl;
pub use secret::Secret;
pub use service::ServiceName;
pub use snapshot::{Basis, Freshness, Snapshot};
pub use staleness::StalenessPolicy;
pub use subscription::Subscription;
