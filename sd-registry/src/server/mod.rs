//! The centre as a running server.

mod builder;
mod connection;
mod doors;
mod listener;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use sd_core::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use builder::CentreBuilder;
pub use tls::TlsFiles;

use crate::engine::ledger::Ledger;

/// A registry centre that runs in this process, until it is shut down or dropped.
///
/// # How soon trouble is noticed
/// * A registrant that dies: when the TTL it asked for has passed since its last renewal, and within a few milliseconds
///   of that; unless [self-preservation](crate::SelfPreservation) keeps what lapsed with many others.
/// * A centre that stood still itself (stopped, asleep) gives every lease its TTL once more, as nobody could renew.
/// * A watcher that is gone without a word, or reads nothing any more: its connection is closed when what was sent has
///   not been taken for 60 s. One that is merely slow is given a snapshot in place of what it missed.
/// * Tokens and certificates that have changed on disk: within 2 s; a watch with a token that was revoked ends with its
///   next heartbeat, 10 s later at most.
///
/// # What it costs
/// A renewal takes no lock but that of a look-up, and never touches the disk. A registration with
/// [`data`](CentreBuilder::data) waits for one sync, which it shares with all that came meanwhile. A watch is a position
/// in a history that all watches of the service share; nothing is queued for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
/// let centre = sd_registry::Registry::builder().spawn().await?;
/// println!("register at {}", centre.url());
/// centre.shutdown().await
/// # }
/// ```
#[must_use = "the centre stops when this is dropped"]
pub struct Centre {
    address: SocketAddr,
    also: Vec<SocketAddr>,
    secure: bool,
    ledger: Arc<dyn Ledger>,
    stop: watch::Sender<bool>,
    listening: Vec<JoinHandle<()>>,
}

/// The name under which programs know the [`Centre`]; sd-core's trait of that name is what backends implement.
pub type Registry = Centre;

impl Centre {
    /// What a centre needs to know; every setting has a default.
    pub fn builder() -> CentreBuilder {
        CentreBuilder::default()
    }

    /// Where it listens, with the port that was really bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens beside [`local_addr`](Self::local_addr): what [`also_listen`](CentreBuilder::also_listen) asked
    /// for and this host has, with the ports that were really bound.
    #[must_use]
    pub fn other_addrs(&self) -> &[SocketAddr] {
        &self.also
    }

    /// The URL by which sd-kit connects to it: `sd://127.0.0.1:7070`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sd://{}", self.address)
    }

    /// The URL of its page and its HTTP API: `http://127.0.0.1:7070`, or `https` with TLS.
    #[must_use]
    pub fn http_url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Stops it: takes no more connections, ends the watches, finishes the requests that are under way (5 s at most),
    /// and returns when everything that was acknowledged is safe.
    ///
    /// # Errors
    /// None so far: what can go wrong on the way is logged.
    ///
    /// # Cancel safety
    /// When this future is dropped, the centre stops all the same, in the background.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.stop.send_replace(true);
        for listening in std::mem::take(&mut self.listening) {
            // A panic in it has been reported already; there is nothing left that listens.
            drop(listening.await);
        }
        self.ledger.close().await;
        Ok(())
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for Centre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Centre").field("address", &self.address).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
