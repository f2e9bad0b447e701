//! What breaks in production, done to a registry on purpose.
//!
//! Mount them with [`fault_tests!`](crate::fault_tests), and [`processes`] with
//! [`process_tests!`](crate::process_tests). Each ends as [`Fleet::is_whole`] says: every live
//! registration is back, and every subscriber's view equals the truth; and when all is dropped, nothing is left over.

mod fleet;
pub mod herd;
pub mod processes;
pub mod restarts;
pub mod silence;

pub use fleet::Fleet;
