//! From a `zookeeper://` URL to a backend.

use std::sync::Arc;

use sd_core::{Backend, Driver, Error, RegistryUrl};

use crate::config::ZooKeeperConfig;

/// Connects to ZooKeeper by URL: `zookeeper://host:2181,host:2181/chroot?option=value`, or `zk://` for short.
///
/// Without a path, services stand below `/services`; `/` is the very root. The options are [`ZooKeeperConfig`]'s setters.
///
/// ```
/// # use sd_core::Drivers;
/// # #[tokio::main] async fn main() -> Result<(), sd_core::Error> {
/// let drivers = Drivers::new().with(sd_zookeeper::ZooKeeperDriver);
/// let registry = drivers.connect("zookeeper://127.0.0.1:2181/services?session=10s&codec=plain")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ZooKeeperDriver;

impl Driver for ZooKeeperDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["zookeeper", "zk"]
    }

    fn connect(&self, url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(ZooKeeperConfig::from_url(url)?.connect()?))
    }
}
