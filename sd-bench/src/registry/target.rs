//! Where a registry is reached: by its server's port, or through a proxy.

use std::net::SocketAddr;

use super::Registry;

/// An address at which a kind of registry answers.
#[derive(Clone, Copy)]
pub struct Target {
    /// The kind.
    pub registry: &'static dyn Registry,
    /// The address.
    pub address: SocketAddr,
    options: &'static str,
}

impl Target {
    /// With the options that a URL without any has.
    #[must_use]
    pub fn new(registry: &'static dyn Registry, address: SocketAddr) -> Self {
        Self { registry, address, options: "" }
    }

    /// With options in the URL: `a=b&c=d`.
    #[must_use]
    pub fn with_options(mut self, options: &'static str) -> Self {
        self.options = options;
        self
    }

    /// The same registry by another way.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// How our library is told of it.
    #[must_use]
    pub fn url(&self) -> String {
        let separator = if self.options.is_empty() { "" } else { "?" };
        format!("{}://{}{separator}{}", self.registry.scheme(), self.address, self.options)
    }
}
