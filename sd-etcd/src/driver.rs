//! From an `etcd://` URL to a backend.

use std::sync::Arc;

use sd_core::{Backend, Driver, Error, RegistryUrl};

use crate::config::EtcdConfig;

/// Connects to etcd by URL: `etcd://[user:password@]host:2379,host:2379/prefix?option=value`.
///
/// Without a path, services stand below `/services`; `/` is the root. The options are [`EtcdConfig`]'s setters.
///
/// ```
/// # use sd_core::Drivers;
/// # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
/// let drivers = Drivers::new().with(sd_etcd::EtcdDriver);
/// let registry = drivers.connect("etcd://127.0.0.1:2379/services?ttl=10s&codec=plain")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EtcdDriver;

impl Driver for EtcdDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["etcd"]
    }

    fn connect(&self, url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(EtcdConfig::from_url(url)?.connect()?))
    }
}
