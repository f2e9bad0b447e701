//! Counting requests in what a client sends.

/// Looks at what one client sends.
pub trait RequestCounter: Send {
    /// How many requests this piece brings, the next after all before it.
    fn count(&mut self, piece: &[u8]) -> u64;
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What is counted when the stream comes in pieces of one byte, of two, and so on.
    pub fn in_pieces(counter: impl Fn() -> Box<dyn RequestCounter>, stream: &[u8]) -> Vec<u64> {
        (1..=stream.len())
            .map(|size| {
                let mut counter = counter();
                stream.chunks(size).map(|piece| counter.count(piece)).sum()
            })
            .collect()
    }
}
