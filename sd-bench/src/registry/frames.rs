//! Counting requests in protocols whose frames say how long they are.

use super::requests::RequestCounter;

/// Bytes before HTTP/2's first frame: `PRI * HTTP/2.0` and what belongs to it.
pub const PREFACE: usize = 24;

/// What the head of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many bytes follow it.
    pub body: usize,
    /// Whether the frame is a request.
    pub is_request: bool,
}

/// Counts in protocols whose frames say how long they are.
#[derive(Debug)]
pub struct Frames<const HEAD: usize> {
    read: fn([u8; HEAD]) -> Head,
    head: [u8; HEAD],
    /// How many bytes of the head are there.
    filled: usize,
    /// How many bytes are to come before the next head.
    skip: usize,
}

impl<const HEAD: usize> Frames<HEAD> {
    /// Heads of `HEAD` bytes that `read` understands, the first after a preface of so many bytes.
    #[must_use]
    pub fn new(preface: usize, read: fn([u8; HEAD]) -> Head) -> Self {
        Self { read, head: [0; HEAD], filled: 0, skip: preface }
    }
}

impl<const HEAD: usize> RequestCounter for Frames<HEAD> {
    fn count(&mut self, mut piece: &[u8]) -> u64 {
        let mut requests = 0;
        while !piece.is_empty() {
            let skipped = self.skip.min(piece.len());
            self.skip -= skipped;
            piece = &piece[skipped..];
            let taken = (HEAD - self.filled).min(piece.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&piece[..taken]);
            self.filled += taken;
            piece = &piece[taken..];
            if self.filled == HEAD {
                let head = (self.read)(self.head);
                requests += u64::from(head.is_request);
                (self.filled, self.skip) = (0, head.body);
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::requests::tests::in_pieces;

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        // A preface of three bytes, then a length and a kind before each body.
        let stream = b"PRE\x02rab\x00r\x04xabcd\x01ra\x00x";
        let read = |[body, kind]: [u8; 2]| Head { body: body.into(), is_request: kind == b'r' };
        let counts = in_pieces(|| Box::new(Frames::new(3, read)), stream);
        assert_eq!(counts, vec![3; stream.len()]);
    }
}
