//! The book on every further registry: the same programs, another URL.

mod centre;
#[path = "../common/mod.rs"]
mod common;
mod consul;
mod scenarios;
mod zookeeper;
