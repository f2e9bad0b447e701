//! A server that can be killed and started again.

use std::net::SocketAddr;

use super::Local;

/// A server of our own. It is killed, and its data is removed, when this is dropped.
pub trait Server {
    /// Where clients connect to.
    fn address(&self) -> SocketAddr;

    /// Ends it at once: kill -9.
    fn kill(&self);

    /// Starts it again with its data; resolves when it answers.
    fn restart(&self) -> Local<'_, ()>;

    /// Starts it again without its data; resolves when it answers.
    fn restart_empty(&self) -> Local<'_, ()>;
}

/// The test kit's servers have these methods under the same names, and no trait in common.
macro_rules! serve_as {
    ($server:ty) => {
        impl $crate::registry::server::Server for $server {
            fn address(&self) -> std::net::SocketAddr {
                self.address()
            }

            fn kill(&self) {
                self.kill();
            }

            fn restart(&self) -> $crate::registry::Local<'_, ()> {
                Box::pin(async {
                    self.restart().await;
                    Ok(())
                })
            }

            fn restart_empty(&self) -> $crate::registry::Local<'_, ()> {
                Box::pin(async {
                    self.restart_empty().await;
                    Ok(())
                })
            }
        }
    };
}
pub(super) use serve_as;
