//! A TCP proxy that cuts, refuses, holds and slows what passes through it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::ports;

/// What happens to what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// It passes.
    Pass,
    /// Connections are refused; those that stand pass on.
    Refuse,
    /// Connections are taken and kept, and nothing passes, in either direction.
    Hold,
    /// Each piece of at most `chunk` bytes is delayed.
    Slow {
        /// By how much.
        delay: Duration,
        /// How large a piece is at most.
        chunk: usize,
    },
}

/// Is shown what one client sends, piece by piece, on the proxy's thread: what it does there delays what passes.
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;

/// Makes the tap of a new connection.
struct Taps(Box<dyn Fn() -> Tap + Send + Sync>);

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taps")
    }
}

/// A proxy from a port of its own to a target that may change. It runs on a thread and a runtime of its own, so that it
/// is not among the tasks that a test counts.
#[derive(Debug)]
pub struct TcpProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    mode: watch::Sender<Mode>,
    /// Grows with every cut.
    cuts: watch::Sender<u64>,
    /// Whether the port is bound now.
    listening: watch::Sender<bool>,
    open: AtomicUsize,
    accepted: AtomicU64,
    to_target: AtomicU64,
    from_target: AtomicU64,
    taps: Taps,
}

impl TcpProxy {
    /// A proxy to `target`, listening on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, ports::free()).into(), target)
    }

    /// As [`start`](Self::start); `tap` is asked for a [`Tap`] for each connection.
    #[must_use]
    pub fn start_tapped(target: SocketAddr, tap: impl Fn() -> Tap + Send + Sync + 'static) -> Self {
        Self::launch((Ipv4Addr::LOCALHOST, ports::free()).into(), target, Taps(Box::new(tap)))
    }

    /// A proxy to `target`, listening on `address`.
    ///
    /// # Panics
    /// When the address can't be bound.
    #[must_use]
    pub fn start_at(address: SocketAddr, target: SocketAddr) -> Self {
        Self::launch(address, target, Taps(Box::new(|| Box::new(|_| ()))))
    }

    fn launch(address: SocketAddr, target: SocketAddr, taps: Taps) -> Self {
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            mode: watch::channel(Mode::Pass).0,
            cuts: watch::channel(0).0,
            listening: watch::channel(false).0,
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            to_target: AtomicU64::new(0),
            from_target: AtomicU64::new(0),
            taps,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, bound) = std::sync::mpsc::channel();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
                ready.send(()).expect("the starter waits");
                tokio::select! {
                    () = serve(serving, listener, address) => {}
                    _ = stopped => {}
                }
            });
        });
        bound.recv().expect("the proxy has bound its port");
        Self { shared, address, _stop: stop }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends connections that are made from now on elsewhere.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().expect("not poisoned") = target;
    }

    /// Sets what happens to what arrives. When it resolves, that is in effect.
    pub async fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        let listens = mode != Mode::Refuse;
        let mut listening = self.shared.listening.subscribe();
        listening.wait_for(|now| *now == listens).await.expect("the proxy runs");
    }

    /// Closes every connection that stands. New ones are taken, as the mode says.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections stand now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many connections were ever accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes went to the target and came from it.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.shared.to_target.load(Ordering::SeqCst), self.shared.from_target.load(Ordering::SeqCst))
    }
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut mode = shared.mode.subscribe();
    let mut listener = Some(listener);
    shared.listening.send_replace(true);
    loop {
        let refuses = *mode.borrow_and_update() == Mode::Refuse;
        if refuses && listener.take().is_some() {
            shared.listening.send_replace(false);
        }
        if !refuses && listener.is_none() {
            listener = Some(TcpListener::bind(address).await.unwrap_or_else(|error| panic!("{address}: {error}")));
            shared.listening.send_replace(true);
        }
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accept => if let Ok((client, _)) = accepted {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                shared.open.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    carry(&shared, client).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            },
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

async fn carry(shared: &Shared, client: TcpStream) {
    let mut cuts = shared.cuts.subscribe();
    cuts.mark_unchanged();
    let carried = async {
        let target = *shared.target.lock().expect("not poisoned");
        let Ok(server) = TcpStream::connect(target).await else { return };
        // Small answers must not wait for one another.
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
            return;
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // One side that ends ends both: a half-open connection is what `Hold` is for.
        tokio::select! {
            () = pump(shared, from_client, to_server, &shared.to_target, (shared.taps.0)()) => {}
            () = pump(shared, from_server, to_client, &shared.from_target, Box::new(|_| ())) => {}
        }
    };
    tokio::select! {
        () = carried => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(shared: &Shared, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &AtomicU64, mut tap: Tap) {
    let mut mode = shared.mode.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if mode.wait_for(|mode| *mode != Mode::Hold).await.is_err() {
            return;
        }
        let size = match *mode.borrow() {
            Mode::Slow { chunk, .. } => chunk.clamp(1, buffer.len()),
            _ => buffer.len(),
        };
        let Ok(read) = from.read(&mut buffer[..size]).await else { return };
        if read == 0 {
            return;
        }
        // What was read before a hold began is held too.
        let Ok(now) = mode.wait_for(|mode| *mode != Mode::Hold).await.map(|mode| *mode) else { return };
        if let Mode::Slow { delay, .. } = now {
            tokio::time::sleep(delay).await;
        }
        // Counted first: who has received it may ask at once.
        count.fetch_add(read as u64, Ordering::SeqCst);
        tap(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::{eventually, soon};

    /// Answers every byte with the same byte.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_u8(7).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn it_passes_cuts_refuses_and_comes_back_on_the_same_port() {
        let proxy = TcpProxy::start(echo().await);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(soon("pass", ask(&mut stream)).await.unwrap(), 7);
        assert_eq!((proxy.open(), proxy.accepted(), proxy.bytes()), (1, 1, (1, 1)));
        proxy.cut();
        assert!(soon("cut", ask(&mut stream)).await.is_err());
        eventually("closed", async || proxy.open() == 0).await;
        proxy.set(Mode::Refuse).await;
        assert!(TcpStream::connect(proxy.address()).await.is_err());
        proxy.set(Mode::Pass).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(soon("again", ask(&mut stream)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_tap_is_shown_what_each_client_sends_and_nothing_else() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let shown = Arc::clone(&seen);
        let proxy = TcpProxy::start_tapped(echo().await, move || {
            let (shown, connection) = (Arc::clone(&shown), connections.fetch_add(1, Ordering::SeqCst));
            Box::new(move |bytes| shown.lock().unwrap().extend(bytes.iter().map(|byte| (connection, *byte))))
        });
        for _ in 0..2 {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(soon("pass", ask(&mut stream)).await.unwrap(), 7);
        }
        assert_eq!(*seen.lock().unwrap(), [(0, 7), (1, 7)]);
    }

    #[tokio::test]
    async fn what_is_held_arrives_when_it_is_let_go_and_slow_is_late() {
        let proxy = TcpProxy::start(echo().await);
        proxy.set(Mode::Hold).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let asked = tokio::time::timeout(Duration::from_millis(200), ask(&mut stream)).await;
        assert!(asked.is_err(), "nothing passes");
        proxy.set(Mode::Slow { delay: Duration::from_millis(50), chunk: 1 }).await;
        let started = tokio::time::Instant::now();
        assert_eq!(soon("let go", stream.read_u8()).await.unwrap(), 7);
        assert!(started.elapsed() >= Duration::from_millis(50));
    }
}
