//! A server under load: what many registrants and watchers do, by clients as bare as possible.

use std::ops::Range;

use super::Local;
use super::server::Server;
use crate::harness::clock::Stopwatch;

/// A running server, and one connection to it.
pub trait Load {
    /// What the output calls it.
    fn name(&self) -> &'static str;

    /// The server.
    fn server(&self) -> &dyn Server;

    /// The server's process; `None` in a container.
    fn pid(&self) -> Option<u32>;

    /// Registers instances under a service, each by itself, 64 in flight.
    fn register<'a>(&'a self, service: &'a str, instances: Range<usize>, weight: u32) -> Local<'a, ()>;

    /// Makes everything ready for [`renew`](Self::renew): so many instances of a service, each of which is renewed.
    fn hold<'a>(&'a mut self, service: &'a str, n: usize) -> Local<'a, ()>;

    /// Renews each of those once, in batches as large as clients send them.
    fn renew(&mut self) -> Local<'_, ()>;

    /// As many watches of a service, each on a connection of its own, all of which know what stands there.
    fn watch<'a>(&'a self, service: &'a str, n: usize) -> Local<'a, Box<dyn Watchers>>;
}

/// Many watches.
pub trait Watchers {
    /// Resolves when each of them was told of the next change, and says when the last one was.
    fn told(&mut self) -> Local<'_, Stopwatch>;
}
