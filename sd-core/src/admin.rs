//! Acts on other processes' instances: what a command line and a page need.

use async_trait::async_trait;

use crate::error::Error;
use crate::service::ServiceName;

/// Acts on other processes' instances.
///
/// # Contract
/// Each is bounded to 5 s, and changes the one entry it names or nothing. An id that is not there is `NotFound`.
#[async_trait]
pub trait Admin: Send + Sync {
    /// Marks an instance as draining: clients stop picking it. Its owner keeps it so until it writes it anew.
    ///
    /// # Cancel safety
    /// Not cancel safe: it may or may not have happened.
    async fn drain(&self, service: &ServiceName, id: &str) -> Result<(), Error>;

    /// Takes an instance away. An owner that lives registers it again: drain it, or stop the owner.
    ///
    /// # Cancel safety
    /// Not cancel safe: it may or may not have happened.
    async fn deregister(&self, service: &ServiceName, id: &str) -> Result<(), Error>;
}
