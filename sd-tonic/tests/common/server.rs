//! A gRPC server that a test can stop, kill and hang: on a thread and a runtime of its own, as another process would be.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::{mpsc as async_mpsc, oneshot};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::echo::{Echo, Script};

enum Command {
    /// Takes no new requests and finishes those that run; says when that is done.
    Stop(oneshot::Sender<()>),
    /// Blocks the only thread until the other side is dropped.
    Hang(mpsc::Receiver<()>),
}

/// A server; dropping it kills it.
pub struct TestServer {
    pub address: SocketAddr,
    pub script: Arc<Script>,
    commands: Option<async_mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::default())
    }

    pub fn sharing(script: &Arc<Script>) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::clone(script))
    }

    /// At a fixed address: that of a server that was there before.
    pub fn start_at(address: SocketAddr, script: Arc<Script>) -> Self {
        Self::start_with(address, script, Server::builder())
    }

    pub fn start_with(address: SocketAddr, script: Arc<Script>, mut builder: Server) -> Self {
        let (commands, mut receiver) = async_mpsc::unbounded_channel();
        let (tell, bound) = mpsc::channel();
        let echo_script = Arc::clone(&script);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let incoming = TcpIncoming::bind(address).unwrap();
                let address = incoming.local_addr().unwrap();
                tell.send(address).unwrap();
                let echo = Echo { name: address.to_string().into(), script: echo_script };
                let (stop, stopped) = oneshot::channel::<()>();
                let serving = builder.add_service(echo).serve_with_incoming_shutdown(incoming, async {
                    let _ = stopped.await;
                });
                let mut serving = tokio::spawn(serving);
                let mut stop = Some(stop);
                let mut done = None;
                loop {
                    tokio::select! {
                        _ = &mut serving => break,
                        command = receiver.recv() => match command {
                            None => break,
                            Some(Command::Stop(tell)) => {
                                done = Some(tell);
                                drop(stop.take());
                            }
                            Some(Command::Hang(until)) => drop(until.recv()),
                        }
                    }
                }
                if let Some(done) = done {
                    let _ = done.send(());
                }
            });
            // Ends connections without a word, as the kernel does for a process that was killed.
            runtime.shutdown_background();
        });
        let address = bound.recv().unwrap();
        Self { address, script, commands: Some(commands), thread: Some(thread) }
    }

    pub fn name(&self) -> String {
        self.address.to_string()
    }

    pub fn calls(&self) -> usize {
        self.script.calls()
    }

    /// Stops as a server does that is told to: GOAWAY, and an end of what runs.
    pub async fn stop(mut self) {
        let (tell, done) = oneshot::channel();
        self.send(Command::Stop(tell));
        let _ = done.await;
        self.end();
    }

    /// Tells it to stop, without waiting.
    pub fn begin_to_stop(&self) {
        self.send(Command::Stop(oneshot::channel().0));
    }

    /// It answers nothing until the guard is dropped.
    pub fn hang(&self) -> mpsc::Sender<()> {
        let (guard, until) = mpsc::channel();
        self.send(Command::Hang(until));
        guard
    }

    /// Ends it and its connections at once; its port is free afterwards.
    pub fn kill(mut self) {
        self.end();
    }

    fn send(&self, command: Command) {
        let _ = self.commands.as_ref().unwrap().send(command);
    }

    fn end(&mut self) {
        self.commands.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.end();
    }
}
