//! From an `sd://` URL to a backend.

use std::sync::Arc;

use sd_core::{Backend, Driver, Error, RegistryUrl};

use super::config::RegistryConfig;

/// Connects to a registry centre by URL: `sd://host:7070,host:7070?option=value`.
///
/// The options are [`RegistryConfig`]'s setters.
///
/// ```
/// # use sd_core::Drivers;
/// # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
/// let drivers = Drivers::new().with(sd_registry::RegistryDriver);
/// let registry = drivers.connect("sd://127.0.0.1:7070?ttl=10s")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RegistryDriver;

impl Driver for RegistryDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["sd"]
    }

    fn connect(&self, url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(RegistryConfig::from_url(url)?.connect()?))
    }
}
