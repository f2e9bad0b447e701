//! The book on every registry: the same programs, another URL.

mod centre;
#[path = "../common/mod.rs"]
mod common;
mod consul;
mod etcd;
mod scenarios;
mod zookeeper;
