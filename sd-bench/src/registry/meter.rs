//! What a connection costs: a proxy that counts requests and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sd_testkit::proxy::TcpProxy;

use super::target::Target;

/// A proxy before a registry.
pub struct Meter {
    target: Target,
    proxy: TcpProxy,
    requests: Arc<AtomicU64>,
}

/// What has passed so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Requests of all connections.
    pub requests: u64,
    /// Bytes from clients; TCP headers don't count.
    pub sent: u64,
    /// Bytes from the registry.
    pub received: u64,
}

impl Meter {
    /// Before this one.
    #[must_use]
    pub fn start(target: Target) -> Self {
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let proxy = TcpProxy::start_tapped(target.address, move || {
            let (counted, mut counter) = (Arc::clone(&counted), target.registry.requests());
            Box::new(move |piece| {
                counted.fetch_add(counter.count(piece), Ordering::SeqCst);
            })
        });
        Self { target, proxy, requests }
    }

    /// Where to connect to instead.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.at(self.proxy.address())
    }

    /// What has passed so far.
    #[must_use]
    pub fn read(&self) -> Reading {
        let (sent, received) = self.proxy.bytes();
        Reading { requests: self.requests.load(Ordering::SeqCst), sent, received }
    }
}

impl Reading {
    /// What has passed since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
        }
    }
}
