//! As much of ZooKeeper's serialisation as the acts of a test need: integers, texts, buffers, frames.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request being written, length first.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// An empty frame.
    pub(super) fn new() -> Self {
        Self(vec![0; 4])
    }

    /// A request of a session, numbered `xid`.
    pub(super) fn request(xid: i32, operation: i32) -> Self {
        Self::new().int(xid).int(operation)
    }

    pub(super) fn int(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn flag(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        let mut next = self.int(i32::try_from(value.len()).expect("a test writes no gigabytes"));
        next.0.extend(value);
        next
    }

    pub(super) async fn send(mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        let length = u32::try_from(self.0.len() - 4).expect("a test writes no gigabytes");
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        stream.write_all(&self.0).await
    }
}

/// An answer being read.
#[derive(Debug)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// The next frame.
    pub(super) async fn receive(stream: &mut TcpStream) -> std::io::Result<Self> {
        let length = stream.read_u32().await?;
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).await?;
        Ok(Self { bytes, at: 0 })
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes[self.at..self.at + N].try_into().expect("so many were taken");
        self.at += N;
        taken
    }

    pub(super) fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub(super) fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    pub(super) fn bytes(&mut self) -> Vec<u8> {
        // A length of -1 stands for no buffer at all.
        let length = usize::try_from(self.int()).unwrap_or(0);
        let taken = self.bytes[self.at..self.at + length].to_vec();
        self.at += length;
        taken
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("ZooKeeper writes UTF-8")
    }
}
