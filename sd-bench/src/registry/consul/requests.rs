//! Counting HTTP/1.1 requests in a stream of bytes that comes in pieces.

use crate::registry::requests::RequestCounter;

/// What ends the first line of a request, and stands in no body that we send.
const WORD: &[u8] = b" HTTP/1.1\r\n";

/// Counts first lines.
#[derive(Debug, Default)]
pub(super) struct FirstLines {
    /// How much of the word has just come.
    matched: usize,
}

impl RequestCounter for FirstLines {
    fn count(&mut self, piece: &[u8]) -> u64 {
        let mut lines = 0;
        for byte in piece {
            // The word holds its first byte only once, so what breaks off can only begin anew with this byte.
            let at = if WORD[self.matched] == *byte { self.matched } else { 0 };
            self.matched = if WORD[at] == *byte { at + 1 } else { 0 };
            if self.matched == WORD.len() {
                (lines, self.matched) = (lines + 1, 0);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::requests::tests::in_pieces;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let stream = b"PUT /a HTTP/1.1\r\nA: b\r\n\r\n HTTP/1.GET /b  HTTP/1.1\r\n\r\n";
        let counts = in_pieces(|| Box::new(FirstLines::default()), stream);
        assert_eq!(counts, vec![2; stream.len()]);
    }
}
