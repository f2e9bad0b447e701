//! What most programs need: `use sd_kit::prelude::*;`.

pub use std::sync::Arc;
pub use std::time::Duration;

pub use sd_core::{
    Address, Backend, Error, Health, Instance, Instancer, Registrar, Registration, RegistrationHandle, ServiceName,
    Snapshot, Subscription, async_factory_fn, factory_fn,
};
pub use sd_lb::{Client, Random, Retry, RoundRobin};

pub use crate::{Lifecycle, connect};
