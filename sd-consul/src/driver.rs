//! From a `consul://` URL to a backend.

use std::sync::Arc;

use sd_core::{Backend, Driver, Error, RegistryUrl};

use crate::config::ConsulConfig;

/// Connects to Consul by URL: `consul://host:port?option=value`.
///
/// One host, without a path; the port is 8500, or 8501 with TLS, where none is written. The options are
/// [`ConsulConfig`]'s setters.
///
/// ```
/// # use sd_core::Drivers;
/// # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
/// let drivers = Drivers::new().with(sd_consul::ConsulDriver);
/// let registry = drivers.connect("consul://127.0.0.1:8500?ttl=10s&tag=v1,http&passing=true")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsulDriver;

impl Driver for ConsulDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["consul"]
    }

    fn connect(&self, url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(ConsulConfig::from_url(url)?.connect()?))
    }
}
