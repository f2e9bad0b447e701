//! Hearing a server's first frame: until then nobody knows whether anyone is there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

const FRAME_HEADER: usize = 9;
const TYPE_AT: usize = 3;
const SETTINGS: u8 = 4;

/// A byte stream that tells when the server has begun to speak HTTP/2.
///
/// A process that hangs still has its connections accepted by its kernel. Only the SETTINGS frame that every server
/// begins with shows that it lives; hyper's handshake does not wait for it.
#[derive(Debug)]
pub(crate) struct Greeting<T> {
    stream: T,
    /// What was read of the first frame's header, until it is known.
    head: [u8; FRAME_HEADER],
    read: usize,
    tell: Option<oneshot::Sender<()>>,
}

impl<T> Greeting<T> {
    /// Wraps `stream`; the receiver resolves when the server has greeted.
    pub(crate) fn new(stream: T) -> (Self, oneshot::Receiver<()>) {
        let (tell, greeted) = oneshot::channel();
        (Self { stream, head: [0; FRAME_HEADER], read: 0, tell: Some(tell) }, greeted)
    }

    #[cold]
    fn hear(&mut self, bytes: &[u8]) {
        let missing = &mut self.head[self.read..];
        let heard = bytes.len().min(missing.len());
        missing[..heard].copy_from_slice(&bytes[..heard]);
        self.read += heard;
        // Another first frame, or no frame at all, is for h2 to refuse.
        if self.read == FRAME_HEADER
            && let Some(tell) = self.tell.take()
            && self.head[TYPE_AT] == SETTINGS
        {
            // Nobody listens any more when the dial was given up.
            let _ = tell.send(());
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Greeting<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.tell.is_some() {
            self.hear(&buf.filled()[before..]);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Greeting<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn heard(chunks: &[&[u8]]) -> bool {
        let (mut server, client) = tokio::io::duplex(64);
        let (mut greeting, mut greeted) = Greeting::new(client);
        for chunk in chunks {
            server.write_all(chunk).await.unwrap();
            let mut read = vec![0; chunk.len()];
            greeting.read_exact(&mut read).await.unwrap();
            assert_eq!(read, *chunk);
        }
        greeted.try_recv().is_ok()
    }

    #[tokio::test]
    async fn a_settings_frame_is_a_greeting_whole_or_byte_by_byte() {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        assert!(heard(&[&settings]).await);
        assert!(heard(&settings.chunks(1).collect::<Vec<_>>()).await);
        assert!(heard(&[&settings, b"and more"]).await);
    }

    #[tokio::test]
    async fn silence_half_a_frame_and_another_protocol_are_none() {
        assert!(!heard(&[]).await);
        assert!(!heard(&[&[0, 0, 0, 4, 0]]).await);
        assert!(!heard(&[b"HTTP/1.1 400 Bad Request\r\n"]).await);
    }
}
