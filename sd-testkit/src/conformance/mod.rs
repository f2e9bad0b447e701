//! The contracts of `sd_core`'s traits, a function per sentence.
//!
//! Mount them all with [`conformance_tests!`](crate::conformance_tests). After each the suite waits until no task and
//! no connection is left over.

pub mod admin;
pub mod catalog;
pub mod draining;
pub mod input;
pub mod keeping;
pub mod outages;
pub mod registering;
pub mod sharing;
pub mod subscribing;
pub mod takeover;
pub mod updating;
