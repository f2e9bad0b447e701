//! A real etcd process to measure against, and the least that can be done with it: raw requests and a raw watch.

pub mod keys;
pub mod observer;
pub mod proxy;
pub mod raw;
pub mod server;
pub mod writer;
