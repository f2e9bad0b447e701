//! Registries under measurement: what the cases need of each kind, so that every case is written once.

pub mod centre;
#[cfg(feature = "consul")]
mod consul;
pub mod crowd;
#[cfg(feature = "etcd")]
pub mod etcd;
mod frames;
pub mod load;
pub mod mark;
pub mod meter;
pub mod observer;
pub mod requests;
pub mod server;
pub mod site;
pub mod target;
pub mod writer;
#[cfg(feature = "zookeeper")]
mod zookeeper;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use observer::Connect;
use requests::RequestCounter;
use sd_core::Drivers;
use server::Server;
use target::Target;
use writer::Write;

/// A future that stays on its thread.
pub type Local<'a, T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + 'a>>;

/// Connects and reads a service; gives how many instances stand there.
pub type List = fn(Target, service: &'static str) -> Local<'static, usize>;

/// Connects and registers the first `n` instances of a service, all at once; resolves when all are accepted.
pub type Register = fn(Target, service: &'static str, n: usize) -> Local<'static, Leave>;

/// Takes registrations away again, and what kept them.
pub type Leave = Box<dyn FnOnce() -> Local<'static, ()>>;

/// One side of a comparison: what reads and writes a registry, ours or a floor.
#[derive(Clone, Copy)]
pub struct Side {
    /// The service that only this side watches, so that neither is told of the other's changes.
    pub service: &'static str,
    /// What the output calls `watch`, `list` and `register`.
    pub names: [&'static str; 3],
    /// Watches a service.
    pub watch: Connect,
    /// Reads a service.
    pub list: List,
    /// Registers.
    pub register: Register,
}

/// A kind of registry.
pub trait Registry: Sync {
    /// The scheme of its URLs.
    fn scheme(&self) -> &'static str;

    /// With what the names of its cases begin.
    fn name(&self) -> &'static str {
        self.scheme()
    }

    /// The variable that names what its server is started from, if that is not this program itself.
    fn variable(&self) -> Option<&'static str>;

    /// Starts a server with nothing in it.
    fn start(&self) -> Local<'static, Box<dyn Server>>;

    /// Connects whoever changes instances.
    fn writer(&self, server: SocketAddr) -> Local<'static, Box<dyn Write>>;

    /// What the registry and its own client take when nothing is kept and as little as possible is decoded.
    fn floor(&self) -> Side;

    /// Recognizes requests in what one client sends.
    fn requests(&self) -> Box<dyn RequestCounter>;

    /// The ratios that are promised.
    fn limits(&self) -> Limits;

    /// How an idle watch is measured within half a minute.
    fn idle_watch(&self) -> IdleWatch {
        IdleWatch { options: "", slower: 1.0 }
    }
}

/// Ratios that are promised of ours beside the floor; `None` where a ratio tells nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of an event, among 10 and 1,000 instances.
    pub event: Option<f64>,
    /// Of an event, among 10,000 instances.
    pub event_among_many: Option<f64>,
    /// Of the bytes per event.
    pub bytes: Option<f64>,
}

/// How an idle watch is measured.
#[derive(Debug, Clone, Copy)]
pub struct IdleWatch {
    /// Options of the URL, which may make it ask more often than by default.
    pub options: &'static str,
    /// How much more rarely it asks by default.
    pub slower: f64,
}

/// How long an entry outlives its owner by default.
pub const TTL: Duration = sd_core::defaults::TTL;

/// All kinds of registry that are compiled in.
pub fn all() -> Vec<&'static dyn Registry> {
    vec![
        #[cfg(feature = "etcd")]
        &etcd::Etcd,
        #[cfg(feature = "consul")]
        &consul::Consul,
        #[cfg(feature = "zookeeper")]
        &zookeeper::ZooKeeper,
        &centre::OurCentre,
    ]
}

/// Ours, for all of them.
pub fn drivers() -> Drivers {
    let drivers = Drivers::new().with(sd_registry::RegistryDriver);
    #[cfg(feature = "etcd")]
    let drivers = drivers.with(sd_etcd::EtcdDriver);
    #[cfg(feature = "consul")]
    let drivers = drivers.with(sd_consul::ConsulDriver);
    #[cfg(feature = "zookeeper")]
    let drivers = drivers.with(sd_zookeeper::ZooKeeperDriver);
    drivers
}
