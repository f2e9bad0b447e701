//! What breaks in production, done to a registry on purpose.
//!
//! Mount them all with [`fault_tests!`](crate::fault_tests). Each ends as [`Fleet::is_whole`] says: every live
//! registration is back, and every subscriber's view equals the truth; and when all is dropped, nothing is left over.

mod fleet;
pub mod restarts;
pub mod silence;

pub use fleet::Fleet;
