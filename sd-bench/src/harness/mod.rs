//! How things are measured: the same way for ours, for the floors and for the peers.

pub mod alloc;
pub mod arm;
pub mod case;
pub mod clock;
pub mod duel;
pub mod histogram;
pub mod machine;
pub mod report;
pub mod tail;
pub mod workers;

pub use arm::Make;
pub use case::Case;
pub use duel::{Comparison, Duel};
pub use report::Row;
